using Messaging.Postgres.Database;
using Messaging.Postgres.Outbox;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Npgsql;

namespace Messaging.Postgres.Commits;

/// <summary>
/// One attempt to commit units of work in one transaction. Duplicates, failed requests and stale units are excluded;
/// the others are committed without them.
/// </summary>
sealed class GroupCommit<TDbContext>(OutboxStore<TDbContext> store, BulkWriter<TDbContext> bulkWriter,
    RecentContexts<TDbContext> contexts, IEnumerable<IRecentSagas> recentSagas,
    IEnumerable<ICommitObserver<TDbContext>> observers, IReadOnlyList<GroupMember<TDbContext>> group)
    where TDbContext : DbContext
{
    /// <summary>How long the handlers of a group may run after its decision; its locks are held meanwhile.</summary>
    static readonly TimeSpan MaxHandlerTime = TimeSpan.FromSeconds(10);

    /// <summary>Whether handlers have received their decisions, so that the group cannot be decided again.</summary>
    public bool HasResumedHandlers { get; private set; }

    /// <exception cref="Exception">
    /// The members without an outcome are not committed, or their outcome is unknown.
    /// </exception>
    public async Task Run()
    {
        if (group[0] is BatchStepMember<TDbContext>)
            await contexts.Use(db => DecideAndCommit(db, [.. group.Cast<BatchStepMember<TDbContext>>()]))
                .ConfigureAwait(false);
        else
            await CommitCompleted([.. group]).ConfigureAwait(false);
    }

    /// <summary>Commits units whose handlers have completed; if one is outdated, starts again without it.</summary>
    async Task CommitCompleted(List<GroupMember<TDbContext>> members)
    {
        while (members.Count > 0)
            switch (await contexts.Use(db => TryInOneRoundTrip(db, members)).ConfigureAwait(false))
            {
                case Attempt.Committed:
                    return;
                case Attempt.HasOutdated
                    when await contexts.Use(db => FailOutdated(db, members)).ConfigureAwait(false):
                    continue;
                default:
                    if (members is [var alone])
                        await CommitAlone(alone).ConfigureAwait(false);
                    else
                        foreach (var half in members.Chunk((members.Count + 1) / 2))
                            await CommitCompleted([.. half]).ConfigureAwait(false);
                    return;
            }
    }

    /// <summary>
    /// Commits units whose handlers have completed, in one batch that is the transaction: if any statement fails,
    /// nothing is committed.
    /// </summary>
    async Task<Attempt> TryInOneRoundTrip(TDbContext db, List<GroupMember<TDbContext>> members)
    {
        await using var batch = new NpgsqlBatch((NpgsqlConnection)db.Database.GetDbConnection());
        IReadOnlyList<UnitOfWork<TDbContext>> units = [.. members.Select(x => x.Unit)];
        var entries = members.SelectMany(x => x.Changed).ToList();
        batch.BatchCommands.Add(new(OutboxStatements.Begin));
        store.AddNewInbox(batch, db, units);
        store.AddUnits(batch, db, units, [.. bulkWriter.Statements(entries)]);
        FaultInjection.Reach(FaultPoint.BeforeCommit);
        uint version;
        try
        {
            await using var rows = await store.Run(batch, units, CancellationToken.None).ConfigureAwait(false);
            await rows.ReadAsync().ConfigureAwait(false);
            version = rows.GetFieldValue<uint>(0);
            while (await rows.NextResultAsync().ConfigureAwait(false))
            {
            }
        }
        catch (Exception e) when (store.IsDuplicate(e) || PostgresErrors.IsStaleBulkUpdate(e))
        {
            return Attempt.HasOutdated;
        }
        catch (Exception e) when (members.Count == 1 && PostgresErrors.MayConcernOneUnit(e)
            && !PostgresErrors.IsLockTimeout(e))
        {
            return Attempt.Failed; // SaveChanges tells what is wrong
        }

        FaultInjection.Reach(FaultPoint.AfterCommit);
        bulkWriter.SetVersion(entries, version);
        foreach (var member in members)
            member.Succeed();
        foreach (var sagas in recentSagas)
            entries.FindAll(x => x.State == EntityState.Added).ForEach(sagas.Keep);
        Observe(observers, entries);
        return Attempt.Committed;
    }

    /// <summary>
    /// Fails all units whose message the inbox contains, or one of whose rows has changed since it was read.
    /// </summary>
    /// <returns>Whether there was one.</returns>
    async Task<bool> FailOutdated(TDbContext db, List<GroupMember<TDbContext>> members)
    {
        var inbox = await store.FindInbox(db, [.. members.Select(x => x.Unit)]).ConfigureAwait(false);
        var duplicates = members.FindAll(x => x.Unit.Consumed is { } c && inbox.Contains((c.MessageId, c.ConsumerId)));
        FailAndRemove(members, duplicates, new DuplicateMessageException());

        var rows = await bulkWriter.FindStaleAsync(db, [.. members.SelectMany(x => x.Changed)]).ConfigureAwait(false);
        var stale = members.FindAll(x => x.Changed.Any(rows.Contains));
        foreach (var member in stale)
            FailAndRemove(members, [member], new DbUpdateConcurrencyException(
                $"The {member.Changed.First(rows.Contains).Metadata.DisplayName()} has changed since it was read"));
        return duplicates.Count + stale.Count > 0;
    }

    /// <summary>Commits a unit in its DbContext's transaction, which begins here if it has not begun yet.</summary>
    public static async Task CommitAlone(OutboxStore<TDbContext> store,
        IEnumerable<ICommitObserver<TDbContext>> observers, UnitOfWork<TDbContext> unit,
        CancellationToken cancellationToken)
    {
        var db = unit.DbContext;
        await using var begun = db.Database.CurrentTransaction == null
            ? await db.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false) : null;
        db.Database.AutoSavepointsEnabled = false; // nothing is saved if any of it fails
        await db.SaveChangesAsync(acceptAllChangesOnSuccess: false, cancellationToken).ConfigureAwait(false);
        FaultInjection.Reach(FaultPoint.BeforeCommit);
        await store.CommitUnit(unit, cancellationToken).ConfigureAwait(false);
        FaultInjection.Reach(FaultPoint.AfterCommit);
        Observe(observers, db.ChangeTracker.Entries());
        db.ChangeTracker.AcceptAllChanges();
    }

    async Task CommitAlone(GroupMember<TDbContext> member)
    {
        member.DropChangesOfEvents();
        await CommitAlone(store, observers, member.Unit, CancellationToken.None).ConfigureAwait(false);
        member.Succeed();
    }

    /// <summary>
    /// Decides the requests of all members, resumes their handlers, and commits when the last has completed. The inbox
    /// rows are inserted with the load, so that a duplicate decides nothing.
    /// </summary>
    /// <returns>True.</returns>
    async Task<bool> DecideAndCommit(TDbContext db, List<BatchStepMember<TDbContext>> members)
    {
        await using var transaction = await db.Database.BeginTransactionAsync().ConfigureAwait(false);
        IReadOnlyList<NpgsqlBatchCommand> statements;
        IReadOnlyList<BatchStepMember<TDbContext>> failed;
        List<BatchStepMember<TDbContext>> fresh;
        uint version;
        await using (var batch = OutboxStore<TDbContext>.NewBatch(db))
        {
            store.AddInbox(batch, [.. members.Select(x => x.Unit)]);
            members[0].Load(batch, members);
            await using var rows = await store.Run(batch, [], CancellationToken.None).ConfigureAwait(false);
            (version, var inserted) = await OutboxStore<TDbContext>.ReadInserted(rows).ConfigureAwait(false);
            fresh = members.FindAll(x => x.Unit.Consumed is not { } c
                || inserted.Contains((c.MessageId, c.ConsumerId)));
            (statements, failed) = await members[0].Decide(rows, fresh, CancellationToken.None).ConfigureAwait(false);
        }

        HasResumedHandlers = true;
        foreach (var duplicate in members.Except(fresh))
            duplicate.Fail(new DuplicateMessageException());
        fresh.ForEach(x => x.Resume(inline: fresh.Count == 1));
        var decided = fresh.Except(failed).ToList();
        await WaitForHandlers(decided, isAlone: members.Count == 1).ConfigureAwait(false);

        var entries = decided.SelectMany(x => x.Changed).ToList();
        FaultInjection.Reach(FaultPoint.BeforeCommit);
        try
        {
            await store.CommitGroup(db, [.. decided.Select(x => x.Unit)],
                [.. bulkWriter.Statements(entries), .. statements], [.. failed.Select(x => x.Unit)])
                .ConfigureAwait(false);
        }
        catch (Exception e) when (PostgresErrors.IsStaleBulkUpdate(e))
        {
            throw new DbUpdateConcurrencyException("A row of the group has changed since it was read", e);
        }

        bulkWriter.SetVersion(entries, version);
        decided.ForEach(x => x.Succeed());
        FaultInjection.Reach(FaultPoint.AfterCommit);
        Observe(observers, entries);
        return true;
    }

    static async Task WaitForHandlers(List<BatchStepMember<TDbContext>> members, bool isAlone)
    {
        try
        {
            var completed = await Task.WhenAll(members.Select(x => x.Handler)).WaitAsync(MaxHandlerTime)
                .ConfigureAwait(false);
            if (completed.Contains(false))
                throw new GroupBrokenException("A handler of the group has failed after the group's decision");
        }
        catch (TimeoutException)
        {
            var reason = $"A handler ran longer than {MaxHandlerTime} after its batch step, and kept its group's locks";
            throw isAlone ? new InvalidOperationException(reason) : new GroupBrokenException(reason);
        }
    }

    static void Observe(IEnumerable<ICommitObserver<TDbContext>> observers, IEnumerable<EntityEntry> committed)
    {
        foreach (var observer in observers)
            foreach (var entry in committed)
                if (entry.State is EntityState.Added or EntityState.Modified)
                    observer.Committed(entry);
    }

    static void FailAndRemove(List<GroupMember<TDbContext>> members,
        IReadOnlyCollection<GroupMember<TDbContext>> failed, Exception reason)
    {
        foreach (var member in failed)
        {
            members.Remove(member);
            member.Fail(reason);
        }
    }

    /// <summary>The outcome of an attempt to commit units in one round trip.</summary>
    enum Attempt
    {
        Committed,

        /// <summary>Nothing is committed: a message was consumed already, or a row has changed.</summary>
        HasOutdated,

        /// <summary>Nothing is committed.</summary>
        Failed,
    }
}
