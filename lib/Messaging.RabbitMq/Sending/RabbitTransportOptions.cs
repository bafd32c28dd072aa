namespace Messaging.RabbitMq;

/// <summary>Settings of <see cref="RabbitTransport{TDbContext}" />.</summary>
public sealed class RabbitTransportOptions
{
    /// <summary>
    /// The queues whose consumers may receive many messages as one AMQP message, if they are ready to: programs with
    /// this transport. Default: none.
    /// </summary>
    public ISet<string> BatchQueues { get; } = new HashSet<string>(StringComparer.Ordinal);
}
