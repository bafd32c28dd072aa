using MassTransit;

namespace Messaging.RabbitMq;

/// <summary>
/// Signs what goes through MassTransit's send pipeline, right before it is sent; the transport of the outbox signs the
/// rest.
/// </summary>
sealed class MessageSigner(BrokerConnection connection) : ISendObserver, IPublishObserver
{
    public Task PreSend<T>(SendContext<T> context) where T : class => Sign(context);

    public Task PostSend<T>(SendContext<T> context) where T : class => Task.CompletedTask;

    public Task SendFault<T>(SendContext<T> context, Exception exception) where T : class => Task.CompletedTask;

    public Task PrePublish<T>(PublishContext<T> context) where T : class => Sign(context);

    public Task PostPublish<T>(PublishContext<T> context) where T : class => Task.CompletedTask;

    public Task PublishFault<T>(PublishContext<T> context, Exception exception) where T : class => Task.CompletedTask;

    Task Sign(SendContext context)
    {
        if (context.TryGetPayload<RabbitMqSendContext>(out var message))
            message.BasicProperties.UserId = connection.UserName;
        return Task.CompletedTask;
    }
}
