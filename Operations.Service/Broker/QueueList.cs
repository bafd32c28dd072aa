using Messaging.RabbitMq;
using Operations.V1;
using RabbitMQ.Client;
using Service.Defaults;

namespace Operations;

/// <summary>The queues of both services, with what waits in them, and their pauses.</summary>
sealed class QueueList(Broker broker, ServiceClients services)
{
    /// <summary>Reads all queues.</summary>
    public async Task<ListBrokerQueuesResponse> ReadAsync(CancellationToken cancellationToken) =>
        new() { Queues = { await CountAsync(await services.ListQueuesAsync(cancellationToken), cancellationToken) } };

    /// <summary>Counts what waits in queues.</summary>
    public async Task<IEnumerable<BrokerQueue>> CountAsync(IReadOnlyList<Queue> queues,
        CancellationToken cancellationToken)
    {
        // Asking for a queue that does not exist would be an error in the broker's log.
        var existing = await broker.ListQueuesAsync(cancellationToken);
        var names = queues.SelectMany(x => NamesOf(x.Name)).Intersect(existing);
        var states = await broker.CountAsync(names, cancellationToken);
        return queues.Select(x => ToProto(x, states));
    }

    /// <summary>Pauses or resumes a queue at the service that consumes it.</summary>
    /// <exception cref="Grpc.Core.RpcException">NOT_FOUND: nobody consumes such a queue.</exception>
    public async Task<Queue> ChangeAsync(string queue,
        Func<MessagingOperations.MessagingOperationsClient, Task<Queue>> change, CancellationToken cancellationToken)
    {
        foreach (var (_, client) in services.Messaging)
        {
            var list = await client.ListQueuesAsync(new ListQueuesRequest(), cancellationToken: cancellationToken);
            if (list.Queues.Any(x => x.Name == queue))
                return await change(client);
        }

        throw RpcErrors.Other(Grpc.Core.StatusCode.NotFound, "QUEUE_NOT_FOUND",
            $"neither Order nor Account consumes a queue {queue}");
    }

    /// <summary>A queue, and those that belong to it.</summary>
    static string[] NamesOf(string queue) =>
        [queue, MessageBatch.QueueOf(queue), queue + DeadLetterQueues.FailedSuffix,
            queue + DeadLetterQueues.SkippedSuffix];

    static BrokerQueue ToProto(Queue queue, IReadOnlyDictionary<string, QueueDeclareOk> states)
    {
        return new BrokerQueue
        {
            Name = queue.Name,
            Messages = Count(queue.Name),
            Batches = Count(MessageBatch.QueueOf(queue.Name)),
            Consumers = (int)(states.GetValueOrDefault(queue.Name)?.ConsumerCount ?? 0),
            Failed = Count(queue.Name + DeadLetterQueues.FailedSuffix),
            Skipped = Count(queue.Name + DeadLetterQueues.SkippedSuffix),
            Pause = queue.IsPaused ? queue : null,
        };

        uint Count(string name) => states.GetValueOrDefault(name)?.MessageCount ?? 0;
    }
}
