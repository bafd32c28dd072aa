using MassTransit;
using MassTransit.Configuration;
using MassTransit.DependencyInjection;
using Microsoft.Extensions.DependencyInjection;

namespace Messaging.Postgres.Sagas;

/// <summary>The address at which a saga of the default bus receives its messages.</summary>
sealed class SagaEndpoint<TSaga>(IServiceProvider provider) where TSaga : class, ISaga
{
    readonly Lazy<Uri> _address = new(() => new Uri($"exchange:{NameIn(provider)}"));

    public Uri Address => _address.Value;

    /// <summary>The name that the saga's registration or definition gives, else that of the formatter.</summary>
    static string NameIn(IServiceProvider provider)
    {
        var names = provider.GetService<IEndpointNameFormatter>() ?? DefaultEndpointNameFormatter.Instance;
        var context = provider.GetRequiredService<Bind<IBus, IBusRegistrationContext>>().Value;
        return provider.GetServices<ISagaRegistration>().FirstOrDefault(x => x.Type == typeof(TSaga))
            ?.GetDefinition(context).GetEndpointName(names) ?? names.Saga<TSaga>();
    }
}
