using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// The one place where units of work become durable, those of RPCs and of messages alike: changes, statements, inbox
/// row, messages and schedule in one transaction. Units that wait while a commit is in flight share the next one; nobody
/// waits by a clock, and a unit that finds nothing in flight commits at once.
/// </summary>
sealed class Committer<TDbContext>(OutboxStore<TDbContext> store, IServiceScopeFactory scopes) where TDbContext : DbContext
{
    const int LargestGroup = 256;
    static readonly TimeSpan LongestHandler = TimeSpan.FromSeconds(10);

    readonly Lock _lock = new();
    readonly LinkedList<GroupMember<TDbContext>> _waiting = [];
    bool _leading;

    /// <summary>
    /// Commits: in the DbContext's transaction if it has one, else with others. If it throws, nothing is committed and
    /// nothing is forgotten.
    /// </summary>
    public async Task Commit(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        if (unit.DbContext.Database.CurrentTransaction != null)
            await CommitOpen(unit, cancellationToken).ConfigureAwait(false);
        else
        {
            var member = unit.Asked as GroupMember<TDbContext> ?? new GroupMember<TDbContext>(unit);
            member.Look();
            if (unit.Asked is { } asked)
                asked.Arrive();
            else
                Join(member);
            await member.Committed.ConfigureAwait(false);
            unit.DbContext.ChangeTracker.AcceptAllChanges();
        }
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

    async Task CommitOpen(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        var db = unit.DbContext;
        db.Database.AutoSavepointsEnabled = false; // the whole transaction is the savepoint
        await db.SaveChangesAsync(acceptAllChangesOnSuccess: false, cancellationToken).ConfigureAwait(false);
        FaultPoint.Reach(FaultPoint.BeforeCommit);
        await store.Commit(unit, cancellationToken).ConfigureAwait(false);
        FaultPoint.Reach(FaultPoint.AfterCommit);
        db.ChangeTracker.AcceptAllChanges();
    }

    async Task<TResult> AskAlone<TRequest, TResult>(UnitOfWork<TDbContext> unit, ISetStep<TRequest, TResult> step, TRequest request,
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
            _waiting.AddLast(member);
            if (_leading)
                return;
            _leading = true;
        }

        _ = Task.Run(Lead);
    }

    async Task Lead()
    {
        while (Take() is { Count: > 0 } group)
            await CommitGroup(group).ConfigureAwait(false);
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
    async Task CommitGroup(List<GroupMember<TDbContext>> group)
    {
        try
        {
            if (group[0] is AskingMember<TDbContext>)
                await CommitAsking(group.ConvertAll(x => (AskingMember<TDbContext>)x)).ConfigureAwait(false);
            else if (group.Count == 1)
                await CommitAlone(group[0]).ConfigureAwait(false);
            else
                await CommitTogether(group).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            group.ForEach(x => x.Fail(e));
        }
    }

    async Task CommitAlone(GroupMember<TDbContext> member)
    {
        await using (await member.Unit.DbContext.Database.BeginTransactionAsync().ConfigureAwait(false))
            await CommitOpen(member.Unit, CancellationToken.None).ConfigureAwait(false);
        member.Succeed();
    }

    /// <summary>
    /// Commits units whose handlers have ended. Who is a repeat, or meets a row that has changed, falls out; the others begin
    /// again without it. Any other failure may name entries that have no part in it: then each is tried alone.
    /// </summary>
    async Task CommitTogether(List<GroupMember<TDbContext>> group)
    {
        while (group.Count > 0)
            try
            {
                await using var scope = scopes.CreateAsyncScope();
                var db = scope.ServiceProvider.GetRequiredService<TDbContext>();
                await using var transaction = await db.Database.BeginTransactionAsync().ConfigureAwait(false);
                var repeated = await store.InsertInbox(db, [.. group.Select(x => x.Unit)]).ConfigureAwait(false);
                foreach (var member in group.Where(x => x.Unit.Consumed is { } c && repeated.Contains(c)).ToList())
                {
                    group.Remove(member);
                    member.Fail(new RepeatedMessageException());
                }

                var owners = Merge(db, group);
                try
                {
                    await db.SaveChangesAsync(acceptAllChangesOnSuccess: false).ConfigureAwait(false);
                }
                catch (DbUpdateConcurrencyException e) when (e.Entries.Select(x => owners.GetValueOrDefault(x.Entity)).OfType<GroupMember<TDbContext>>().ToHashSet() is { Count: > 0 } culprits)
                {
                    foreach (var culprit in culprits)
                    {
                        group.Remove(culprit);
                        culprit.Fail(e);
                    }

                    continue;
                }

                FaultPoint.Reach(FaultPoint.BeforeCommit);
                await store.Commit(db, [.. group.Select(x => x.Unit)], [], []).ConfigureAwait(false);
                FaultPoint.Reach(FaultPoint.AfterCommit);
                group.ForEach(x => x.Succeed());
                return;
            }
            catch (Exception e) when (group.Count > 1 && e is PostgresException or DbUpdateException)
            {
                // A statement that cannot be laid to one of them: each is tried alone.
                foreach (var member in group)
                    await CommitGroup([member]).ConfigureAwait(false);
                return;
            }
    }

    /// <summary>Brings the changes of all into one context, which saves them by one batch.</summary>
    static Dictionary<object, GroupMember<TDbContext>> Merge(TDbContext db, IReadOnlyList<GroupMember<TDbContext>> group)
    {
        db.Database.AutoSavepointsEnabled = false;
        db.ChangeTracker.AutoDetectChangesEnabled = false;
        var owners = new Dictionary<object, GroupMember<TDbContext>>(ReferenceEqualityComparer.Instance);
        foreach (var member in group)
            foreach (var entry in member.Changed)
            {
                owners.Add(entry.Entity, member);
                var copy = db.Entry(entry.Entity);
                if (entry.State == EntityState.Added)
                {
                    copy.State = EntityState.Added;
                    continue;
                }

                copy.State = EntityState.Unchanged;
                copy.OriginalValues.SetValues(entry.OriginalValues);
                if (entry.State == EntityState.Deleted)
                    copy.State = EntityState.Deleted;
                else
                    foreach (var property in entry.Properties.Where(x => x.IsModified))
                        copy.Property(property.Metadata.Name).IsModified = true;
            }

        return owners;
    }

    /// <summary>
    /// Decides for all who ask, has their handlers go on, and commits when the last has ended. The inbox's rows are
    /// inserted with the load: a repeat decides nothing.
    /// </summary>
    async Task CommitAsking(List<AskingMember<TDbContext>> group)
    {
        var isTold = false;
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<TDbContext>();
            await using var transaction = await db.Database.BeginTransactionAsync().ConfigureAwait(false);
            IReadOnlyList<NpgsqlBatchCommand> statements;
            IReadOnlyList<AskingMember<TDbContext>> failed;
            List<AskingMember<TDbContext>> fresh;
            await using (var batch = OutboxStore<TDbContext>.NewBatch(db))
            {
                store.AddInbox(batch, [.. group.Select(x => x.Unit)]);
                group[0].Load(batch, group);
                await using var rows = await batch.ExecuteReaderAsync().ConfigureAwait(false);
                var inserted = await OutboxStore<TDbContext>.ReadInbox(rows).ConfigureAwait(false);
                fresh = group.FindAll(x => x.Unit.Consumed is not { } c || inserted.Contains((c.MessageId, c.ConsumerId)));
                (statements, failed) = await group[0].Decide(rows, fresh, CancellationToken.None).ConfigureAwait(false);
            }

            isTold = true;
            foreach (var repeat in group.Except(fresh))
                repeat.Fail(new RepeatedMessageException());
            fresh.ForEach(x => x.Tell());
            var going = fresh.Except(failed).ToList();
            var ended = await Task.WhenAll(going.Select(x => x.Arrived)).WaitAsync(LongestHandler).ConfigureAwait(false);
            if (ended.Contains(false))
                throw new GroupBrokenException("A handler of the group has failed after the group had decided for it", null);

            if (going.Exists(x => x.Changed.Count > 0))
            {
                Merge(db, going);
                await db.SaveChangesAsync(acceptAllChangesOnSuccess: false).ConfigureAwait(false);
            }

            FaultPoint.Reach(FaultPoint.BeforeCommit);
            await store.Commit(db, going.ConvertAll(x => x.Unit), statements, [.. failed.Select(x => x.Unit)]).ConfigureAwait(false);
            FaultPoint.Reach(FaultPoint.AfterCommit);
            going.ForEach(x => x.Succeed());
        }
        catch (PostgresException) when (!isTold && group.Count > 1)
        {
            foreach (var member in group)
                await CommitGroup([member]).ConfigureAwait(false);
        }
        catch (Exception e) when (isTold && group.Count > 1 && e is PostgresException or TimeoutException or DbUpdateException or InvalidOperationException && e is not GroupBrokenException)
        {
            group.ForEach(x => x.Fail(new GroupBrokenException("The group could not be committed", e)));
        }
    }
}
