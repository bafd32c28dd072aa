using MassTransit;

namespace Messaging.RabbitMq;

/// <summary>What is known about a received message.</summary>
static class ReceiveContextExtensions
{
    /// <summary>The name of the queue that a message was received from; of a batch, the endpoint's own queue.</summary>
    public static string QueueName(this ReceiveContext context) => context.InputAddress.AbsolutePath.Split('/')[^1];
}
