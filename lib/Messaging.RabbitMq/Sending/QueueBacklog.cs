using MassTransit.RabbitMqTransport;
using MassTransit.Transports;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Messaging.RabbitMq;

/// <summary>Reads how many messages wait in a queue of the broker.</summary>
/// <param name="instance">The bus, whose connection is used.</param>
public sealed class QueueBacklog(IBusInstance instance)
{
    static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    readonly IConnectionContextSupervisor _connections = instance.Connections();

    /// <summary>
    /// Counts the messages that no consumer has received yet. Each waiting batch counts as the most that it can hold;
    /// as nothing, if the queue is consumed by a service that knows no batches.
    /// </summary>
    /// <returns>The count, or null if the queue does not exist.</returns>
    /// <exception cref="TimeoutException">The broker has not answered in five seconds.</exception>
    public async Task<long?> CountAsync(string queue, CancellationToken cancellationToken)
    {
        if (await FindAsync(queue, cancellationToken).ConfigureAwait(false) is not { } found)
            return null;
        var batches = await FindAsync(MessageBatch.QueueOf(queue), cancellationToken).ConfigureAwait(false);
        return batches == null || (found.ConsumerCount > 0 && batches.ConsumerCount == 0)
            ? found.MessageCount
            : found.MessageCount + (long)MessageBatch.MaxCount * batches.MessageCount;
    }

    /// <summary>Whether a queue exists and has a consumer.</summary>
    /// <exception cref="TimeoutException">The broker has not answered in five seconds.</exception>
    internal async Task<bool> HasConsumersAsync(string queue, CancellationToken cancellationToken) =>
        await FindAsync(queue, cancellationToken).ConfigureAwait(false) is { ConsumerCount: > 0 };

    /// <summary>The state of a queue, or null if it does not exist.</summary>
    /// <exception cref="TimeoutException">The broker has not answered in five seconds.</exception>
    internal async Task<QueueDeclareOk?> FindAsync(string queue, CancellationToken cancellationToken)
    {
        var connection = await _connections.GetAsync(cancellationToken)
            .WaitAsync(Timeout, cancellationToken).ConfigureAwait(false);
        try
        {
            await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken)
                .WaitAsync(Timeout, cancellationToken).ConfigureAwait(false);
            return await channel.QueueDeclarePassiveAsync(queue, cancellationToken)
                .WaitAsync(Timeout, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return null;
        }
    }
}
