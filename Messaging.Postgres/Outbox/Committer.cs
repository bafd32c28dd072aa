using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// The one place where units of work become durable, those of RPCs and of messages alike: changes, statements, inbox
/// row, messages and schedule in one transaction. Units that wait while a commit is in flight share the next one; nobody
/// waits by a clock, and a unit that finds nothing in flight commits at once.
/// </summary>
sealed class Committer<TDbContext>(OutboxStore<TDbContext> store, SetWrites<TDbContext> sets, IServiceScopeFactory scopes) where TDbContext : DbContext
{
    const int LargestGroup = 256;
    const int LargestMemory = 10_000;

    readonly Lock _lock = new();
    readonly LinkedList<GroupMember<TDbContext>> _waiting = [];
    readonly SemaphoreSlim _singles = new(8);

    /// <summary>
    /// Messages whose group could not commit, for a reason that may be theirs: from then on each is tried by itself, beside
    /// the groups, so that one that cannot be committed, or waits for a lock, concerns nobody else.
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

    static async Task<TResult> AskAlone<TRequest, TResult>(UnitOfWork<TDbContext> unit, ISetStep<TRequest, TResult> step, TRequest request,
        CancellationToken cancellationToken)
    {
        await using var batch = OutboxStore<TDbContext>.NewBatch(unit.DbContext);
        step.Load(batch, [request]);
        await using var rows = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
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

        _ = Lead(); // on this flow as far as the database
    }

    async Task Lead()
    {
        while (Take() is { Count: > 0 } group)
            await Commit(group).ConfigureAwait(false);
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

    /// <summary>Never throws: everybody in the group is told how it ended.</summary>
    async Task Commit(List<GroupMember<TDbContext>> group)
    {
        var commit = new GroupCommit<TDbContext>(store, sets, scopes, group);
        try
        {
            await commit.Run().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            var open = group.FindAll(x => !x.Committed.IsCompleted);
            if (group.Count == 1 || !commit.MayBeOneMembers(e))
                open.ForEach(x => x.Fail(e));
            else
                BreakUp(open, commit.IsTold, e);
        }
    }

    void BreakUp(List<GroupMember<TDbContext>> group, bool isTold, Exception reason)
    {
        lock (_lock)
        {
            if (_suspects.Count > LargestMemory)
                _suspects.Clear(); // those that never came back; who is one still is found again
            _suspects.UnionWith(group.Select(x => x.Message).OfType<(Guid, Guid)>());
        }

        foreach (var member in group)
            if (isTold)
                member.Fail(new GroupBrokenException($"The group could not be committed, and each of it is to be tried by itself: {reason.Message}"));
            else
                _ = Task.Run(() => CommitSingle(member));
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

        if (member.Message is { } message && member.Committed.IsCompletedSuccessfully)
            lock (_lock)
                _suspects.Remove(message);
    }
}
