using System.Diagnostics;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Commits;

/// <summary>
/// Commits the units of work that wait together as a group, one group after the other, and those that would delay the
/// others apart from them.
/// </summary>
/// <remarks>
/// <para>What happens to a group that fails:</para>
/// <code>
/// failure                                           outcome
/// ------------------------------------------------  --------------------------------------------------------------
/// the inbox contains a message                      that unit fails as a duplicate; the others are committed
/// a row has changed since it was read               that unit fails with a conflict; the others are committed
/// a lock is not acquired in time                    the rows are quarantined, and their units are tried again there
/// the server or the connection is lost              all units fail; the outcome is unknown
/// any other, after the handlers were resumed        all units fail, and each is retried alone in quarantine; a
///                                                   handler that takes too long there twice fails for good
/// anything else                                     the group is halved until the unit with the error is alone
/// </code>
/// </remarks>
sealed partial class GroupCommitter(IGroupTransactions transactions, RunLater later, TimeProvider time,
    int maxQuarantineQueues, MessageTag? tag, ILogger log)
{
    const int MaxGroupSize = 256;

    readonly LogLimit _failedAfterCommit = new();
    readonly Lock _lock = new();
    readonly CommitQueue _main = new(new SemaphoreSlim(1), isQuarantined: false);
    readonly Quarantine _quarantine = new(maxQuarantineQueues);

    /// <summary>Adds a unit to its commit queue, and starts the queue's commit loop if it is not running.</summary>
    public void Enqueue(GroupMember member)
    {
        CommitQueue queue;
        lock (_lock)
        {
            queue = _quarantine.Find(member) ?? _main;
            member.Queue = queue;
            queue.Waiting.AddLast(member);
            if (queue.IsDraining)
                return;
            queue.IsDraining = true;
        }

        // The loop runs synchronously up to its first database call, which saves a thread switch. In quarantine, that
        // would delay the caller, which may be committing the other units.
        if (!queue.IsQuarantined)
            TaskStarter.StartWithoutCallerContext(() => Drain(queue));
        else
            later(() => _ = Drain(queue));
    }

    async Task Drain(CommitQueue queue)
    {
        for (List<GroupMember> ended = []; ;)
        {
            var group = DequeueGroup(queue);
            // When no group waits for this thread, it can run one member's continuation itself.
            for (var i = ended.Count - 1; i >= 0; i--)
            {
                var member = ended[i];
                if (!member.HasEnded)
                    continue; // it has returned to the queue
                if (i == 0 && group.Count == 0)
                    member.Complete();
                else
                    later(member.Complete);
            }

            if (group.Count == 0)
                return;
            await queue.Concurrency.WaitAsync().ConfigureAwait(false);
            try
            {
                await Commit(group, queue).ConfigureAwait(false);
            }
            finally
            {
                queue.Concurrency.Release();
            }

            if (queue.IsQuarantined)
                lock (_lock)
                    _quarantine.Release(queue, group);
            ended = group.FindAll(x => x.Queue == queue);
        }
    }

    /// <summary>
    /// Removes the next group from a queue: units with the same batch step, and no message or row twice.
    /// </summary>
    List<GroupMember> DequeueGroup(CommitQueue queue)
    {
        lock (_lock)
        {
            var group = new List<GroupMember>();
            var step = queue.Waiting.First?.Value.Request?.Step;
            var keys = new HashSet<object>();
            for (var node = queue.Waiting.First; node != null && group.Count < MaxGroupSize;)
            {
                var (member, next) = (node.Value, node.Next);
                if (member.Request?.Step == step && !member.Keys.Any(keys.Contains))
                {
                    keys.UnionWith(member.Keys);
                    group.Add(member);
                    queue.Waiting.Remove(node);
                }

                node = next;
            }

            queue.IsDraining = group.Count > 0;
            return group;
        }
    }

    /// <summary>Commits a group; on failure, fails, retries or quarantines its units. Never throws.</summary>
    async Task Commit(List<GroupMember> group, CommitQueue queue)
    {
        var commit = new GroupCommit(transactions, time, queue, group);
        var started = Stopwatch.GetTimestamp();
        var span = group.Exists(x => x.Span != null)
            ? MessageSpans.StartCommit(group.Select(x => x.Span), tag) : null;
        try
        {
            await commit.Run().ConfigureAwait(false);
            span.End(error: null);
            MessagingMetrics.CommitEnded(group.Count, Stopwatch.GetElapsedTime(started), succeeded: true);
        }
        catch (Exception e)
        {
            span.End(e);
            var failure = transactions.Classify(e);
            if (failure != GroupFailure.WarmUp)
                MessagingMetrics.CommitEnded(group.Count, Stopwatch.GetElapsedTime(started), succeeded: false);
            var open = group.FindAll(x => !x.HasEnded);
            if (open.Count == 0)
            {
                ReportAfterCommit(e);
            }
            else if (failure == GroupFailure.Unavailable)
            {
                open.ForEach(x => x.Fail(e));
            }
            else if (commit.HasResumedHandlers)
            {
                if (failure != GroupFailure.WarmUp)
                    AddToQuarantine(open, x => x.Message);
                open.ForEach(x => x.Fail(group.Count == 1 ? e : new GroupBrokenException(
                    $"The group could not be committed, and each of its messages is retried alone: {e.Message}")));
            }
            else if (failure == GroupFailure.LockTimeout)
            {
                AddToQuarantine(open, x => x.Contended);
                open.ForEach(group.Count > 1 && !queue.IsQuarantined ? Enqueue : x => x.Fail(e));
            }
            else if (group.Count == 1)
                open.ForEach(x => x.Fail(e));
            else
                foreach (var half in open.Chunk((open.Count + 1) / 2))
                    await Commit([.. half], queue).ConfigureAwait(false);
        }
    }

    void ReportAfterCommit(Exception error)
    {
        if (_failedAfterCommit.IsDue(error, out var count))
            LogFailedAfterCommit(error, count);
    }

    void AddToQuarantine(List<GroupMember> members,
        Func<GroupMember, IReadOnlyList<object>> keys)
    {
        lock (_lock)
            _quarantine.Add(members.Select(keys));
    }

    [LoggerMessage(Level = LogLevel.Error, Message =
        "Changes and messages are committed, but an error followed the commit. Nothing is lost: the messages are in "
        + "the outbox, and are sent some seconds later than usual. Errors since the last such line: {Count}")]
    partial void LogFailedAfterCommit(Exception error, int count);
}
