using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// The one place where units of work become durable, those of RPCs and of messages alike: changes, statements, inbox
/// row, messages and schedule in one transaction. Units that wait while a commit is in flight share the next one; nobody
/// waits by a clock, and a unit that finds nothing in flight commits at once.
/// </summary>
sealed partial class Committer<TDbContext>(OutboxStore<TDbContext> store, SetWrites<TDbContext> sets, WarmContexts<TDbContext> contexts,
    IEnumerable<INewInstances> newInstances, IServiceScopeFactory scopes, ILogger<Committer<TDbContext>> log)
    where TDbContext : DbContext
{
    const int LargestGroup = 256;
    const int LargestMemory = 10_000;

    readonly Lock _lock = new();
    readonly LinkedList<GroupMember<TDbContext>> _waiting = [];
    readonly SemaphoreSlim _singles = new(8);

    /// <summary>
    /// Messages of groups that met a lock, or failed after their handlers had been told: from then on each is tried by itself,
    /// beside the groups, so that one that cannot be committed, or waits for a lock, concerns nobody else.
    /// </summary>
    readonly HashSet<(Guid MessageId, Guid ConsumerId)> _suspects = [];
    bool _leading;

    /// <summary>
    /// Commits: in the DbContext's transaction if it has one, else with others. If it throws, nothing is committed and
    /// nothing is forgotten.
    /// </summary>
    public async Task Commit(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        if (unit.DbContext.Database.CurrentTransaction != null)
        {
            if (unit.Asked != null)
                throw new InvalidOperationException("A unit of work that has asked commits with its group: it cannot save, lock or begin a transaction by itself after that");
            await GroupCommit<TDbContext>.CommitOpen(store, unit, cancellationToken).ConfigureAwait(false);
            return;
        }

        var member = unit.Asked ?? new GroupMember<TDbContext>(unit);
        member.Look();
        if (unit.Asked is { } asked)
            asked.Arrive();
        else
            Join(member);
        await member.Committed.ConfigureAwait(false);
        unit.DbContext.ChangeTracker.AcceptAllChanges();
    }

    /// <summary>Asks a step that is taken for all units of the group; the unit is committed with that group, when its handler has ended.</summary>
    public Task<TResult> Ask<TRequest, TResult>(UnitOfWork<TDbContext> unit, ISetStep<TRequest, TResult> step, TRequest request,
        CancellationToken cancellationToken)
    {
        if (unit.DbContext.Database.CurrentTransaction != null)
            return AskAlone(unit, step, request, cancellationToken);
        if (unit.Asked != null)
            throw new InvalidOperationException("A unit of work asks once: its group decides for all at one time");
        var member = new AskingMember<TDbContext, TRequest, TResult>(unit, step, request);
        unit.Asked = member;
        Join(member);
        return member.Told;
    }

    async Task<TResult> AskAlone<TRequest, TResult>(UnitOfWork<TDbContext> unit, ISetStep<TRequest, TResult> step, TRequest request,
        CancellationToken cancellationToken)
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

    void Join(GroupMember<TDbContext> member)
    {
        lock (_lock)
        {
            if (member.Message is { } message && _suspects.Contains(message))
            {
                _ = Task.Run(() => CommitSingle(member));
                return;
            }

            _waiting.AddLast(member);
            if (_leading)
                return;
            _leading = true;
        }

        Flow.StartClean(Lead); // on this thread as far as the database
    }

    async Task Lead()
    {
        for (List<GroupMember<TDbContext>> ended = []; ;)
        {
            var group = Take();
            for (var i = ended.Count - 1; i >= 0; i--)
                ended[i].Tell(here: i == 0 && group.Count == 0); // where nobody waits for this thread, one of them goes on here
            if (group.Count == 0)
                return;
            await Commit(group).ConfigureAwait(false);
            ended = group;
        }
    }

    /// <summary>All who wait and fit together: the same step, no message and no row twice.</summary>
    List<GroupMember<TDbContext>> Take()
    {
        lock (_lock)
        {
            var group = new List<GroupMember<TDbContext>>();
            var step = (_waiting.First?.Value as AskingMember<TDbContext>)?.Step;
            var taken = new HashSet<object>();
            for (var node = _waiting.First; node != null && group.Count < LargestGroup;)
            {
                var next = node.Next;
                if ((node.Value as AskingMember<TDbContext>)?.Step == step && node.Value.Keys is var keys && !keys.Any(taken.Contains))
                {
                    taken.UnionWith(keys);
                    group.Add(node.Value);
                    _waiting.Remove(node);
                }

                node = next;
            }

            _leading = group.Count > 0;
            return group;
        }
    }

    /// <summary>Never throws: how it ended is known of everybody in the group, or is found out beside it.</summary>
    async Task Commit(List<GroupMember<TDbContext>> group)
    {
        var commit = new GroupCommit<TDbContext>(store, sets, contexts, newInstances, scopes, group);
        try
        {
            await commit.Run().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            var open = group.FindAll(x => !x.HasEnded);
            if (open.Count == 0)
                LogAfterCommit(e);
            else if (group.Count == 1 || !GroupCommit<TDbContext>.MayBeOneMembers(e))
                open.ForEach(x => x.Fail(e));
            else if (commit.IsTold)
                Suspect(open).ForEach(x => x.Fail(
                    new GroupBrokenException($"The group could not be committed, and each of it is to be tried by itself: {e.Message}")));
            else if (PostgresConditions.IsLocked(e))
                Suspect(open).ForEach(x => _ = Task.Run(() => CommitSingle(x)));
            else
                foreach (var half in open.Chunk((open.Count + 1) / 2))
                    await Commit([.. half]).ConfigureAwait(false);
        }
    }

    List<GroupMember<TDbContext>> Suspect(List<GroupMember<TDbContext>> group)
    {
        lock (_lock)
        {
            if (_suspects.Count > LargestMemory)
                _suspects.Clear(); // those that never came back; who is one still is found again
            _suspects.UnionWith(group.Select(x => x.Message).OfType<(Guid, Guid)>());
        }

        return group;
    }

    /// <summary>Never throws. Nobody waits for it but its member.</summary>
    async Task CommitSingle(GroupMember<TDbContext> member)
    {
        await _singles.WaitAsync().ConfigureAwait(false);
        try
        {
            await Commit([member]).ConfigureAwait(false);
        }
        finally
        {
            _singles.Release();
        }

        member.Tell(here: false);
        if (member is { HasSucceeded: true, Message: { } message })
            lock (_lock)
                _suspects.Remove(message);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Units of work are committed, and what is done after a commit has failed")]
    partial void LogAfterCommit(Exception error);
}
