using Messaging.RabbitMq;
using Operations.V1;
using RabbitMQ.Client;
using Service.Defaults;

namespace Operations;

/// <summary>The queues of both services, with what waits in them, and their pauses.</summary>
sealed class QueueList(Broker broker, ServiceClients services, VisitedMessages visited)
{
    /// <summary>The method ListQueues.</summary>
    /// <exception cref="Grpc.Core.RpcException">UNAVAILABLE: the broker cannot be reached.</exception>
    public async Task<ListBrokerQueuesResponse> ReadAsync(CancellationToken cancellationToken)
    {
        var answers = new Answers();
        var list = await ReadAsync(await services.ListQueuesAsync(answers, cancellationToken), cancellationToken);
        list.Missing.Add(answers.Missing);
        return list;
    }

    /// <summary>Reads all queues; none if the broker does not answer.</summary>
    public async Task<ListBrokerQueuesResponse> ReadAsync(Answers answers, CancellationToken cancellationToken)
    {
        var queues = await services.ListQueuesAsync(answers, cancellationToken);
        return await answers.OfAsync(Answers.Broker, ReadAsync(queues, cancellationToken))
            ?? new ListBrokerQueuesResponse();
    }

    async Task<ListBrokerQueuesResponse> ReadAsync(IReadOnlyList<Queue> queues, CancellationToken cancellationToken) =>
        new()
        {
            Queues = { await CountAsync(queues, cancellationToken) },
            Alarms = { await broker.ListAlarmsAsync(cancellationToken) },
        };

    /// <summary>Counts what waits in queues.</summary>
    public async Task<IEnumerable<BrokerQueue>> CountAsync(IReadOnlyList<Queue> queues,
        CancellationToken cancellationToken)
    {
        // Asking for a queue that does not exist would be an error in the broker's log.
        var existing = await broker.ListQueuesAsync(cancellationToken);
        var names = queues.SelectMany(x => NamesOf(x.Name)).Where(existing.ContainsKey);
        var states = await broker.CountAsync(names, cancellationToken);
        return queues.Select(x => ToProto(x, existing, states));
    }

    /// <summary>Pauses or resumes a queue at the service that consumes it.</summary>
    /// <exception cref="Grpc.Core.RpcException">
    /// NOT_FOUND: nobody consumes such a queue. UNAVAILABLE: a service that may consume it does not answer.
    /// </exception>
    public async Task<Queue> ChangeAsync(string queue,
        Func<MessagingOperations.MessagingOperationsClient, Task<Queue>> change, CancellationToken cancellationToken)
    {
        var answers = new Answers();
        foreach (var (service, client) in services.Messaging)
            if (await answers.OfAsync(service, client.ListQueuesAsync(new ListQueuesRequest(),
                cancellationToken: cancellationToken).ResponseAsync) is { } list
                && list.Queues.Any(x => x.Name == queue))
                return await change(client);

        answers.ThrowIfAnyMissing();
        throw RpcErrors.Other(Grpc.Core.StatusCode.NotFound, "QUEUE_NOT_FOUND",
            $"neither Order nor Account consumes a queue {queue}");
    }

    /// <summary>A queue, and those that belong to it.</summary>
    static string[] NamesOf(string queue) =>
        [queue, MessageBatch.QueueOf(queue), queue + DeadLetterQueues.FailedSuffix,
            queue + DeadLetterQueues.SkippedSuffix];

    BrokerQueue ToProto(Queue queue, IReadOnlyDictionary<string, long> existing,
        IReadOnlyDictionary<string, QueueDeclareOk> states)
    {
        return new BrokerQueue
        {
            Name = queue.Name,
            Messages = Count(queue.Name),
            Batches = Count(MessageBatch.QueueOf(queue.Name)),
            Consumers = (int)(states.GetValueOrDefault(queue.Name)?.ConsumerCount ?? 0),
            Failed = CountDead(queue.Name + DeadLetterQueues.FailedSuffix),
            Skipped = CountDead(queue.Name + DeadLetterQueues.SkippedSuffix),
            Pause = queue.IsPaused ? queue : null,
            Unacknowledged = existing.GetValueOrDefault(queue.Name)
                + existing.GetValueOrDefault(MessageBatch.QueueOf(queue.Name)),
            IsMissing = !existing.ContainsKey(queue.Name),
        };

        long Count(string name) => states.GetValueOrDefault(name)?.MessageCount ?? 0;

        long CountDead(string name) => Count(name) + visited.CountOf(name);
    }
}
