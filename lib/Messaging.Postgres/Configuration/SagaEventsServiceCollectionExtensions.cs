using MassTransit;
using Messaging.Postgres.Sagas;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers <see cref="ISagaEvents{TSaga}" />.</summary>
public static class SagaEventsServiceCollectionExtensions
{
    /// <summary>
    /// Lets code outside consumers raise events of the saga. The outbox of the bus needs UseBusOutbox.
    /// </summary>
    public static IServiceCollection AddSagaEvents<TSaga>(this IServiceCollection services)
        where TSaga : class, SagaStateMachineInstance
    {
        services.TryAddSingleton<SagaEndpoint<TSaga>>();
        services.TryAddScoped<ISagaEvents<TSaga>, SagaEvents<TSaga>>();
        return services;
    }
}
