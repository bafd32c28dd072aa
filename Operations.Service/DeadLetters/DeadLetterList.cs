using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Operations.V1;
using Service.Defaults;

namespace Operations;

/// <summary>Finds the dead letters of both services, and groups them by their cause.</summary>
sealed class DeadLetterList(DeadLetterQueues queues, ServiceClients services)
{
    const int DefaultMessages = 3;
    const int MaxMessages = 1000;
    const int PageSize = 1000;
    const int MaxParked = 50_000;

    /// <summary>The method ListDeadLetters.</summary>
    public async Task<ListDeadLettersResponse> ReadAsync(ListDeadLettersRequest request,
        CancellationToken cancellationToken)
    {
        var max = request.MaxMessages <= 0 ? DefaultMessages : Math.Min(request.MaxMessages, MaxMessages);
        var groups = (await FindAsync(cancellationToken)).GroupBy(x => x.Cause)
            .Where(x => request.GroupId == "" || x.Key.GroupId == request.GroupId)
            .Select(x => ToGroup(x.Key, [.. x], max)).OrderByDescending(x => x.Count);
        return new ListDeadLettersResponse { Groups = { groups } };
    }

    /// <summary>All dead letters: of each queue and outbox, the oldest first.</summary>
    public async Task<IReadOnlyList<DeadLetterMessage>> FindAsync(CancellationToken cancellationToken)
    {
        var found = new List<DeadLetterMessage>();
        // Dead letters of other programs are none of ours.
        var consumed = (await services.ListQueuesAsync(cancellationToken)).Select(x => x.Name).ToHashSet();
        foreach (var queue in (await queues.FindAsync(cancellationToken))
            .Where(x => consumed.Contains(DeadLetterQueues.OriginOf(x).Queue)))
            await queues.VisitAsync(queue, (letter, _) =>
            {
                found.Add(letter);
                return Task.FromResult(VisitDecision.Keep);
            }, cancellationToken);
        foreach (var (service, client) in services.Messaging)
            await foreach (var message in ReadParkedAsync(client, cancellationToken))
                found.Add(DeadLetterReader.Read(service, message));
        return found;
    }

    /// <summary>Chooses messages of a group, the oldest first.</summary>
    /// <param name="groupId">The group.</param>
    /// <param name="messageIds">Only these messages; empty: all.</param>
    /// <param name="limit">At most so many; 0 means all.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    /// <exception cref="RpcException">NOT_FOUND: there is no such group.</exception>
    public async Task<IReadOnlyList<DeadLetterMessage>> ChooseAsync(string groupId, ICollection<string> messageIds,
        int limit, CancellationToken cancellationToken)
    {
        var group = (await FindAsync(cancellationToken)).Where(x => x.Cause.GroupId == groupId).ToList();
        if (group.Count == 0)
            throw RpcErrors.Other(StatusCode.NotFound, "GROUP_NOT_FOUND",
                $"there are no dead letters of a group {groupId}");
        var ids = messageIds.ToHashSet();
        return [.. group.Where(x => ids.Count == 0 || ids.Contains(x.MessageId))
            .Take(limit > 0 ? limit : int.MaxValue)];
    }

    static async IAsyncEnumerable<PendingMessage> ReadParkedAsync(MessagingOperations.MessagingOperationsClient client,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (token, count) = ("", 0);
        do
        {
            var page = await client.ListParkedMessagesAsync(
                new ListParkedMessagesRequest { PageSize = PageSize, PageToken = token },
                cancellationToken: cancellationToken);
            foreach (var message in page.Messages)
                yield return message;
            (token, count) = (page.NextPageToken, count + page.Messages.Count);
        }
        while (token != "" && count < MaxParked);
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
