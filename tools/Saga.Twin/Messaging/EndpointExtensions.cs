namespace Saga.Twin;

/// <summary>Registers message endpoints.</summary>
static class EndpointExtensions
{
    /// <summary>Adds the endpoint of a handler's queue.</summary>
    public static void AddEndpoint<TMessage, THandler>(this IServiceCollection services)
        where THandler : class, IMessageHandler<TMessage>
    {
        services.AddSingleton<IMessageHandler<TMessage>, THandler>();
        services.AddHostedService<MessageEndpoint<TMessage>>();
    }
}
