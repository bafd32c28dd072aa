using Operations.V1;
using RabbitMQ.Client;
using Service.Defaults;

namespace Operations;

/// <summary>The queues of both services, with what waits in them, and their pauses.</summary>
sealed class QueueList(Broker broker, ServiceClients services)
{
    /// <summary>Reads all queues.</summary>
    public async Task<ListBrokerQueuesResponse> ReadAsync(CancellationToken cancellationToken)
    {
        var lists = await Task.WhenAll(services.Messaging.Select(x =>
            x.Client.ListQueuesAsync(new ListQueuesRequest(), cancellationToken: cancellationToken).ResponseAsync));
        var queues = lists.SelectMany(x => x.Queues).ToList();
        // Asking for a queue that does not exist would be an error in the broker's log.
        var existing = await broker.ListQueuesAsync(cancellationToken);
        var names = queues.SelectMany(x => Suffixes.Select(suffix => x.Name + suffix)).Intersect(existing);
        var states = await broker.CountAsync(names, cancellationToken);
        return new ListBrokerQueuesResponse { Queues = { queues.Select(x => ToProto(x, states)) } };
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

    static readonly string[] Suffixes = ["", "_batch", DeadLetterQueues.FailedSuffix, DeadLetterQueues.SkippedSuffix];

    static BrokerQueue ToProto(Queue queue, IReadOnlyDictionary<string, QueueDeclareOk> states)
    {
        var (single, batches) = (states.GetValueOrDefault(queue.Name), states.GetValueOrDefault($"{queue.Name}_batch"));
        return new BrokerQueue
        {
            Name = queue.Name,
            Messages = single?.MessageCount ?? 0,
            Batches = batches?.MessageCount ?? 0,
            Consumers = (int)(single?.ConsumerCount ?? 0),
            Failed = states.GetValueOrDefault(queue.Name + DeadLetterQueues.FailedSuffix)?.MessageCount ?? 0,
            Skipped = states.GetValueOrDefault(queue.Name + DeadLetterQueues.SkippedSuffix)?.MessageCount ?? 0,
            Pause = queue.IsPaused ? queue : null,
        };
    }
}
