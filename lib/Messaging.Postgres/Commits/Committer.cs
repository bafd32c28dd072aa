using System.Diagnostics;
using Messaging.Postgres.Database;
using Messaging.Postgres.Observability;
using Messaging.Postgres.Outbox;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Commits;

/// <summary>
/// Makes units of work durable, for RPCs and consumed messages alike: changes, statements, inbox row, messages and
/// schedule in one transaction.
/// </summary>
/// <remarks>
/// <para>How a unit is committed:</para>
/// <code>
/// the unit                                          is committed
/// ------------------------------------------------  --------------------------------------------------------------
/// its DbContext has a transaction, because the      alone, in that transaction, whose COMMIT travels with the last
/// handler saved, locked or began one                statements
/// only SaveChanges can write its changes            alone, in a transaction
/// it has run a batch step                           with the units that ran the same step: lock and load, decide all,
///                                                   resume the handlers, commit when the last has completed
/// any other, while no commit is in flight           at once, in one round trip that is the transaction
/// any other, while a commit is in flight            with all units that wait by then: at most 256, no row or message
///                                                   twice
/// </code>
/// <para>What happens to a group that fails:</para>
/// <code>
/// failure                                           outcome
/// ------------------------------------------------  --------------------------------------------------------------
/// the inbox contains a message                      that unit fails as a duplicate; the others are committed
/// a row has changed since it was read               that unit fails with a conflict; the others are committed
/// a lock is not acquired in time                    the rows are quarantined, and their units are tried again there
/// the server or the connection is lost              all units fail; the outcome is unknown
/// any other, after the handlers were resumed        all units fail, and each is retried alone in quarantine
/// anything else                                     the group is halved until the unit with the error is alone
/// </code>
/// </remarks>
sealed partial class Committer<TDbContext>(OutboxStore<TDbContext> store, BulkWriter<TDbContext> bulkWriter,
    RecentContexts<TDbContext> contexts, IEnumerable<IRecentSagas> recentSagas,
    IEnumerable<ICommitObserver<TDbContext>> observers, OutboxOptions<TDbContext> options,
    ILogger<Committer<TDbContext>> log)
    where TDbContext : DbContext
{
    const int MaxGroupSize = 256;

    readonly LogLimit _failedAfterCommit = new();
    readonly Lock _lock = new();
    readonly CommitQueue<TDbContext> _main = new(new SemaphoreSlim(1));
    readonly Quarantine<TDbContext> _quarantine = new();

    /// <summary>Commits a unit: with others if it can, otherwise alone in its DbContext's transaction.</summary>
    /// <exception cref="Exception">Nothing is committed, and the unit still has everything.</exception>
    public async Task Commit(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        unit.Enter(UnitOfWorkState.Committing);
        if (await TryJoin(unit, cancellationToken).ConfigureAwait(false) is { } member)
        {
            await member.Committed.ConfigureAwait(false);
            unit.DbContext.ChangeTracker.AcceptAllChanges();
        }
        else
        {
            await CommitAlone(unit, cancellationToken).ConfigureAwait(false);
        }

        unit.Enter(UnitOfWorkState.Committed);
    }

    /// <summary>Adds a unit to a group.</summary>
    /// <returns>Null if the unit has a transaction, or changes that only SaveChanges can write.</returns>
    async Task<GroupMember<TDbContext>?> TryJoin(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        if (unit.DbContext.Database.CurrentTransaction != null)
            return null;
        var member = unit.StepMember ?? new GroupMember<TDbContext>(unit);
        if (unit.DbContext.ChangeTracker.HasChanges())
        {
            var own = GroupMember<TDbContext>.FindChanges(unit.DbContext);
            if (!BulkWriter<TDbContext>.CanWriteFor(unit.DbContext) || !bulkWriter.Fits(unit.DbContext, own))
                return null;
            await unit.RaiseSaveEvents(cancellationToken).ConfigureAwait(false);
            member.SnapshotChanges(own);
            var begun = unit.DbContext.Database.CurrentTransaction;
            if (begun != null || !bulkWriter.Fits(unit.DbContext, member.Changed))
            {
                if (begun != null)
                    await begun.DisposeAsync().ConfigureAwait(false);
                member.DropChangesOfEvents();
                return null;
            }
        }

        if (unit.StepMember is { } decided)
            decided.HandlerCompleted();
        else
            Enqueue(member);
        return member;
    }

    async Task CommitAlone(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        if (unit.StepMember != null)
            throw new InvalidOperationException("A unit of work that has run a batch step commits with its group: "
                + "after that, its handler cannot save, lock or begin a transaction, nor change entities that only "
                + "SaveChanges can write");
        var started = Stopwatch.GetTimestamp();
        await GroupCommit<TDbContext>.CommitAlone(store, observers, unit, cancellationToken).ConfigureAwait(false);
        MessagingMetrics.CommitEnded(1, Stopwatch.GetElapsedTime(started), succeeded: true);
    }

    /// <summary>Runs a batch step for one unit, in its DbContext's open transaction.</summary>
    public async Task<TResult> DecideAlone<TRequest, TResult>(UnitOfWork<TDbContext> unit,
        IBatchStep<TRequest, TResult> step, TRequest request, CancellationToken cancellationToken)
    {
        await using var batch = OutboxStore<TDbContext>.NewBatch(unit.DbContext);
        step.Load(batch, [request]);
        await using var rows = await store.Run(batch, [], cancellationToken).ConfigureAwait(false);
        var decision = await step.Decide(rows, [request], cancellationToken).ConfigureAwait(false);
        if (decision.Results[0].Error is { } error)
            throw error;
        foreach (var statement in decision.Statements)
            unit.Add(statement);
        return decision.Results[0].Value!;
    }

    /// <summary>Adds a unit to its commit queue, and starts the queue's commit loop if it is not running.</summary>
    public void Enqueue(GroupMember<TDbContext> member)
    {
        CommitQueue<TDbContext> queue;
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
        TaskStarter.StartWithoutCallerContext(queue == _main ? () => Drain(queue) : () => Task.Run(() => Drain(queue)));
    }

    async Task Drain(CommitQueue<TDbContext> queue)
    {
        for (List<GroupMember<TDbContext>> ended = []; ;)
        {
            var group = DequeueGroup(queue);
            // When no group waits for this thread, it can run one member's continuation itself.
            for (var i = ended.Count - 1; i >= 0; i--)
                ended[i].Complete(inline: i == 0 && group.Count == 0);
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

            if (queue != _main)
                lock (_lock)
                    _quarantine.Release(queue, group);
            ended = group.FindAll(x => x.Queue == queue);
        }
    }

    /// <summary>
    /// Removes the next group from a queue: units with the same batch step, and no message or row twice.
    /// </summary>
    List<GroupMember<TDbContext>> DequeueGroup(CommitQueue<TDbContext> queue)
    {
        lock (_lock)
        {
            var group = new List<GroupMember<TDbContext>>();
            var step = (queue.Waiting.First?.Value as BatchStepMember<TDbContext>)?.Step;
            var keys = new HashSet<object>();
            for (var node = queue.Waiting.First; node != null && group.Count < MaxGroupSize;)
            {
                var (member, next) = (node.Value, node.Next);
                if ((member as BatchStepMember<TDbContext>)?.Step == step && !member.Keys.Any(keys.Contains))
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
    async Task Commit(List<GroupMember<TDbContext>> group, CommitQueue<TDbContext> queue)
    {
        var commit = new GroupCommit<TDbContext>(store, bulkWriter, contexts, recentSagas, observers, group);
        var started = Stopwatch.GetTimestamp();
        var span = group.Exists(x => x.Span != null)
            ? MessageSpans.StartCommit(group.Select(x => x.Span), options.MessageTag) : null;
        try
        {
            await commit.Run().ConfigureAwait(false);
            span.End(error: null);
            MessagingMetrics.CommitEnded(group.Count, Stopwatch.GetElapsedTime(started), succeeded: true);
        }
        catch (Exception e)
        {
            span.End(e);
            if (!PostgresErrors.IsWarmUpRollback(e))
                MessagingMetrics.CommitEnded(group.Count, Stopwatch.GetElapsedTime(started), succeeded: false);
            var open = group.FindAll(x => !x.HasEnded);
            if (open.Count == 0)
                ReportAfterCommit(e);
            else if (!PostgresErrors.MayConcernOneUnit(e))
                open.ForEach(x => x.Fail(e));
            else if (commit.HasResumedHandlers)
            {
                if (!PostgresErrors.IsWarmUpRollback(e))
                    AddToQuarantine(open, x => x.Message);
                open.ForEach(x => x.Fail(group.Count == 1 ? e : new GroupBrokenException(
                    $"The group could not be committed, and each of its messages is retried alone: {e.Message}")));
            }
            else if (PostgresErrors.IsLockTimeout(e))
            {
                AddToQuarantine(open, x => x.Contended);
                open.ForEach(group.Count > 1 && queue == _main ? Enqueue : x => x.Fail(e));
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

    void AddToQuarantine(List<GroupMember<TDbContext>> members,
        Func<GroupMember<TDbContext>, IReadOnlyList<object>> keys)
    {
        lock (_lock)
            _quarantine.Add(members.Select(keys));
    }

    [LoggerMessage(Level = LogLevel.Error, Message =
        "Changes and messages are committed, but an error followed the commit. Nothing is lost: the messages are in "
        + "the outbox, and are sent some seconds later than usual. Errors since the last such line: {Count}")]
    partial void LogFailedAfterCommit(Exception error, int count);
}
