using System.Collections.Concurrent;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Operations.V1;
using Service.Defaults;

namespace Operations;

/// <summary>Finds the dead letters of both services, and groups them by their cause.</summary>
sealed class DeadLetterList(DeadLetterQueues visits, QueueList queues, ServiceClients services)
{
    const int DefaultMessages = 3;
    const int MaxMessages = 1000;
    const int MaxIds = 10_000;
    const int PageSize = 1000;
    const int MaxParked = 50_000;

    readonly ConcurrentDictionary<string, DeadLetterCause> _causes = new();

    /// <summary>The method ListDeadLetters.</summary>
    public async Task<ListDeadLettersResponse> ReadAsync(ListDeadLettersRequest request,
        CancellationToken cancellationToken)
    {
        var max = request.MaxMessages <= 0 ? DefaultMessages : Math.Min(request.MaxMessages, MaxMessages);
        var answers = new Answers();
        var groups = (await FindAsync(answers, cancellationToken)).GroupBy(x => x.Cause)
            .Where(x => request.GroupId == "" || x.Key.GroupId == request.GroupId)
            .Select(x => ToGroup(x.Key, [.. x], max)).OrderByDescending(x => x.Count);
        return new ListDeadLettersResponse { Groups = { groups }, Missing = { answers.Missing } };
    }

    /// <summary>All dead letters: of each queue and outbox, the oldest first.</summary>
    public async Task<IReadOnlyList<DeadLetterMessage>> FindAsync(Answers answers,
        CancellationToken cancellationToken) =>
        await FindAsync((await queues.ReadAsync(answers, cancellationToken)).Queues, answers, cancellationToken);

    /// <summary>All dead letters, if the queues are known.</summary>
    public async Task<IReadOnlyList<DeadLetterMessage>> FindAsync(IEnumerable<BrokerQueue> known, Answers answers,
        CancellationToken cancellationToken)
    {
        var found = new FoundLetters();
        // Dead letters of other programs are none of ours.
        foreach (var queue in known)
        {
            if (queue.Failed > 0)
                await VisitAsync(queue.Name + DeadLetterQueues.FailedSuffix);
            if (queue.Skipped > 0)
                await VisitAsync(queue.Name + DeadLetterQueues.SkippedSuffix);
        }

        foreach (var (service, client) in services.Messaging)
            foreach (var message in await answers.OfAsync(service, ReadParkedAsync(client, cancellationToken)) ?? [])
                found.Add(DeadLetterReader.Read(service, message));
        foreach (var cause in found.Letters.Select(x => x.Cause).Distinct())
            _causes[cause.GroupId] = cause;
        return found.Letters;

        Task VisitAsync(string queue) => answers.OfAsync<object>(Answers.Broker, VisitAllAsync(queue));

        async Task<object> VisitAllAsync(string queue)
        {
            await visits.VisitAsync(queue, (letter, _) =>
            {
                found.Add(letter);
                return Task.FromResult(VisitDecision.Keep);
            }, cancellationToken);
            return found;
        }
    }

    /// <summary>Describes a group for the audit trail: its cause, if there is such a group.</summary>
    public async Task<string> DescribeAsync(string groupId, CancellationToken cancellationToken)
    {
        if (!_causes.ContainsKey(groupId))
            await FindAsync(new Answers(), cancellationToken);
        return _causes.TryGetValue(groupId, out var cause) ? $"group {groupId} ({cause})" : $"group {groupId}";
    }

    /// <summary>Chooses messages of a group, the oldest first.</summary>
    /// <param name="groupId">The group.</param>
    /// <param name="messageIds">Only these messages, at most 10,000; empty: all.</param>
    /// <param name="limit">At most so many; 0 means all.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    /// <exception cref="RpcException">
    /// INVALID_ARGUMENT: too many messages. NOT_FOUND: there is no such group. UNAVAILABLE: it may be where it cannot
    /// be looked for.
    /// </exception>
    public async Task<IReadOnlyList<DeadLetterMessage>> ChooseAsync(string groupId, ICollection<string> messageIds,
        int limit, CancellationToken cancellationToken)
    {
        if (messageIds.Count > MaxIds)
            throw RpcErrors.InvalidArgument("message_ids",
                $"must have at most {MaxIds} elements, not {messageIds.Count}");
        var answers = new Answers();
        var group = (await FindAsync(answers, cancellationToken)).Where(x => x.Cause.GroupId == groupId).ToList();
        if (group.Count == 0)
        {
            answers.ThrowIfAnyMissing();
            throw RpcErrors.Other(StatusCode.NotFound, "GROUP_NOT_FOUND",
                $"there are no dead letters of a group {groupId}");
        }

        var ids = messageIds.ToHashSet();
        return [.. group.Where(x => ids.Count == 0 || ids.Contains(x.MessageId))
            .Take(limit > 0 ? limit : int.MaxValue)];
    }

    static async Task<List<PendingMessage>> ReadParkedAsync(MessagingOperations.MessagingOperationsClient client,
        CancellationToken cancellationToken)
    {
        var (token, messages) = ("", new List<PendingMessage>());
        do
        {
            var page = await client.ListParkedMessagesAsync(
                new ListParkedMessagesRequest { PageSize = PageSize, PageToken = token },
                deadline: DateTime.UtcNow + ServiceClients.MaxAnswerTime, cancellationToken: cancellationToken);
            messages.AddRange(page.Messages);
            token = page.NextPageToken;
        }
        while (token != "" && messages.Count < MaxParked);
        return messages;
    }

    static DeadLetterGroup ToGroup(DeadLetterCause cause, List<DeadLetterMessage> messages, int max) => new()
    {
        GroupId = cause.GroupId,
        Kind = cause.Kind,
        Queue = cause.Queue,
        MessageType = cause.MessageType,
        ExceptionType = cause.ExceptionType,
        Place = cause.Place,
        Reason = messages[0].Reason,
        Count = messages.Count,
        OldestTime = messages.Min(x => x.Time)?.ToTimestamp(),
        NewestTime = messages.Max(x => x.Time)?.ToTimestamp(),
        Messages = { messages.Take(max).Select(x => x.ToProto()) },
    };
}
