using Messaging.Postgres.Database;
using Messaging.Postgres.Outbox;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Commits;

/// <summary>
/// The one place where units of work become durable, those of RPCs and of messages alike: changes, statements, inbox
/// row, messages and schedule in one transaction. Units that wait while a commit is in flight share the next one; nobody
/// waits by a clock, and a unit that finds nothing in flight commits at once.
/// </summary>
sealed partial class Committer<TDbContext>(OutboxStore<TDbContext> store, BulkWriter<TDbContext> sets, RecentContexts<TDbContext> contexts,
    IEnumerable<IRecentSagas> newInstances, IServiceScopeFactory scopes, ILogger<Committer<TDbContext>> log)
    where TDbContext : DbContext
{
    const int LargestGroup = 256;
    const int LargestMemory = 10_000;

    readonly Lock _lock = new();
    readonly Lane<TDbContext> _main = new(new SemaphoreSlim(1));
    readonly SemaphoreSlim _beside = new(8);

    /// <summary>
    /// Rows that were locked, and messages of groups that failed after their handlers had been told: until one of theirs has succeeded
    /// they have a lane of their own, so that what cannot be committed, or waits for a lock, concerns no others.
    /// </summary>
    readonly Dictionary<object, Lane<TDbContext>> _suspects = [];

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
    public Task<TResult> Ask<TRequest, TResult>(UnitOfWork<TDbContext> unit, IBatchStep<TRequest, TResult> step, TRequest request,
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

    async Task<TResult> AskAlone<TRequest, TResult>(UnitOfWork<TDbContext> unit, IBatchStep<TRequest, TResult> step, TRequest request,
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
        Lane<TDbContext> lane;
        lock (_lock)
        {
            lane = _suspects.Count == 0 ? _main : LaneOf(member.Keys) ?? LaneOf(member.Contended) ?? _main;
            member.Lane = lane;
            lane.Waiting.AddLast(member);
            if (lane.IsLed)
                return;
            lane.IsLed = true;
        }

        // On this thread as far as the database, except for a suspect: who begins that may lead the others.
        Flow.StartClean(lane == _main ? () => Lead(lane) : () => Task.Run(() => Lead(lane)));
    }

    Lane<TDbContext>? LaneOf(IReadOnlyList<object> keys) => keys.Select(x => _suspects.GetValueOrDefault(x)).FirstOrDefault(x => x != null);

    async Task Lead(Lane<TDbContext> lane)
    {
        for (List<GroupMember<TDbContext>> ended = []; ;)
        {
            var group = Take(lane);
            for (var i = ended.Count - 1; i >= 0; i--)
                ended[i].Tell(here: i == 0 && group.Count == 0); // where nobody waits for this thread, one of them goes on here
            if (group.Count == 0)
                return;
            await lane.Room.WaitAsync().ConfigureAwait(false);
            try
            {
                await Commit(group, lane).ConfigureAwait(false);
            }
            finally
            {
                lane.Room.Release();
            }

            if (lane != _main)
                Acquit(lane, group);
            ended = group.FindAll(x => x.Lane == lane);
        }
    }

    /// <summary>All who wait and fit together: the same step, no message and no row twice.</summary>
    List<GroupMember<TDbContext>> Take(Lane<TDbContext> lane)
    {
        lock (_lock)
        {
            var group = new List<GroupMember<TDbContext>>();
            var step = (lane.Waiting.First?.Value as AskingMember<TDbContext>)?.Step;
            var taken = new HashSet<object>();
            for (var node = lane.Waiting.First; node != null && group.Count < LargestGroup;)
            {
                var next = node.Next;
                if ((node.Value as AskingMember<TDbContext>)?.Step == step && node.Value.Keys is var keys && !keys.Any(taken.Contains))
                {
                    taken.UnionWith(keys);
                    group.Add(node.Value);
                    lane.Waiting.Remove(node);
                }

                node = next;
            }

            lane.IsLed = group.Count > 0;
            return group;
        }
    }

    /// <summary>Never throws: how it ended is known of everybody in the group, or is found out beside it.</summary>
    async Task Commit(List<GroupMember<TDbContext>> group, Lane<TDbContext> lane)
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
            else if (!GroupCommit<TDbContext>.MayBeOneMembers(e))
                open.ForEach(x => x.Fail(e));
            else if (commit.IsTold)
            {
                if (!WarmUpContext<TDbContext>.HasRefused(e))
                    Suspect(open, x => x.Message);
                open.ForEach(x => x.Fail(group.Count == 1 ? e
                    : new GroupBrokenException($"The group could not be committed, and each of it is to be tried by itself: {e.Message}")));
            }
            else if (PostgresErrors.IsLocked(e))
            {
                Suspect(open, x => x.Contended);
                open.ForEach(group.Count > 1 && lane == _main ? Join : x => x.Fail(e));
            }
            else if (group.Count == 1)
                open.ForEach(x => x.Fail(e));
            else
                foreach (var half in open.Chunk((open.Count + 1) / 2))
                    await Commit([.. half], lane).ConfigureAwait(false);
        }
    }

    void Suspect(List<GroupMember<TDbContext>> members, Func<GroupMember<TDbContext>, IReadOnlyList<object>> keysOf)
    {
        lock (_lock)
        {
            if (_suspects.Count > LargestMemory) // those that never came back; who is one still is found again
                foreach (var (key, _) in _suspects.Where(x => !x.Value.IsLed).ToList())
                    _suspects.Remove(key);
            foreach (var keys in members.Select(keysOf))
            {
                var lane = LaneOf(keys) ?? new Lane<TDbContext>(_beside);
                foreach (var key in keys)
                    _suspects.TryAdd(key, lane);
            }
        }
    }

    /// <summary>What comes from now on for those who have succeeded goes with the others again; who waits in the lane is still served there.</summary>
    void Acquit(Lane<TDbContext> lane, List<GroupMember<TDbContext>> group)
    {
        lock (_lock)
            foreach (var key in group.Where(x => x.HasSucceeded).SelectMany(x => x.Keys.Concat(x.Contended)))
                if (_suspects.GetValueOrDefault(key) == lane)
                    _suspects.Remove(key);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Units of work are committed, and what is done after a commit has failed")]
    partial void LogAfterCommit(Exception error);
}
