using Messaging.Postgres.Database;
using Messaging.Postgres.Outbox;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Npgsql;

namespace Messaging.Postgres.Commits;

/// <summary>Commits units of work in PostgreSQL, in groups or alone.</summary>
sealed class GroupTransactions<TDbContext>(OutboxStore<TDbContext> store, BulkWriter<TDbContext> bulkWriter,
    RecentContexts<TDbContext> contexts, IEnumerable<IRecentSagas> recentSagas,
    IEnumerable<ICommitObserver<TDbContext>> observers) : IGroupTransactions
    where TDbContext : DbContext
{
    /// <inheritdoc />
    /// <remarks>One batch is the transaction: if any statement fails, nothing is committed.</remarks>
    public Task<CommitAttempt> TryCommit(IReadOnlyList<GroupMember> members) => contexts.Use(async db =>
    {
        await using var batch = new NpgsqlBatch((NpgsqlConnection)db.Database.GetDbConnection());
        var units = Units(members);
        var entries = Changes(members);
        store.AddBegin(batch, units);
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
            return CommitAttempt.HasOutdated;
        }
        catch (Exception e) when (members.Count == 1 && PostgresErrors.MayConcernOneUnit(e)
            && !PostgresErrors.IsLockTimeout(e))
        {
            return CommitAttempt.Failed; // SaveChanges tells what is wrong
        }

        FaultInjection.Reach(FaultPoint.AfterCommit);
        bulkWriter.SetVersion(entries, version);
        foreach (var member in members)
            member.Succeed();
        foreach (var sagas in recentSagas)
            entries.FindAll(x => x.State == EntityState.Added).ForEach(sagas.Keep);
        Observe(entries);
        return CommitAttempt.Committed;
    });

    /// <inheritdoc />
    public Task<IReadOnlyList<(GroupMember Member, Exception Reason)>> FindOutdated(
        IReadOnlyList<GroupMember> members) => contexts.Use(async db =>
    {
        var inbox = await store.FindInbox(db, Units(members)).ConfigureAwait(false);
        var outdated = new List<(GroupMember, Exception)>();
        foreach (var duplicate in members.Where(x => IsIn(inbox, x)))
            outdated.Add((duplicate, new DuplicateMessageException()));
        var others = members.Where(x => !IsIn(inbox, x)).Cast<UnitMember<TDbContext>>().ToList();
        var rows = await bulkWriter.FindStaleAsync(db, Changes(others)).ConfigureAwait(false);
        foreach (var member in others)
            if (member.Changed.FirstOrDefault(rows.Contains) is { } stale)
                outdated.Add((member, new DbUpdateConcurrencyException(
                    $"The {stale.Metadata.DisplayName()} has changed since it was read")));
        return (IReadOnlyList<(GroupMember, Exception)>)outdated;
    });

    static bool IsIn(IReadOnlySet<(Guid MessageId, Guid ConsumerId)> inbox, GroupMember member) =>
        ((UnitMember<TDbContext>)member).Unit.Consumed is { } consumed
            && inbox.Contains((consumed.MessageId, consumed.ConsumerId));

    /// <inheritdoc />
    public async Task CommitAlone(GroupMember member)
    {
        var unit = (UnitMember<TDbContext>)member;
        unit.DropChangesOfEvents();
        await CommitAlone(unit.Unit, CancellationToken.None).ConfigureAwait(false);
        unit.Succeed();
    }

    /// <summary>Commits a unit in its DbContext's transaction, which begins here if it has not begun yet.</summary>
    /// <exception cref="DbUpdateConcurrencyException">
    /// A row has changed since it was read, or a statement of the unit has divided by zero to say so.
    /// </exception>
    public async Task CommitAlone(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        var db = unit.DbContext;
        await using var begun = db.Database.CurrentTransaction == null
            ? await db.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false) : null;
        db.Database.AutoSavepointsEnabled = false; // nothing is saved if any of it fails
        await db.SaveChangesAsync(acceptAllChangesOnSuccess: false, cancellationToken).ConfigureAwait(false);
        FaultInjection.Reach(FaultPoint.BeforeCommit);
        await store.CommitUnit(unit, cancellationToken).ConfigureAwait(false);
        FaultInjection.Reach(FaultPoint.AfterCommit);
        Observe(db.ChangeTracker.Entries());
        db.ChangeTracker.AcceptAllChanges();
    }

    /// <inheritdoc />
    /// <remarks>
    /// The inbox rows are inserted with the load, so that a duplicate decides nothing; those of requests that have
    /// failed are deleted by the commit.
    /// </remarks>
    public Task DecideAndCommit(IReadOnlyList<GroupMember> members,
        Func<IReadOnlyList<GroupMember>, Task<IReadOnlyList<GroupMember>>> runHandlers) => contexts.Use(async db =>
    {
        await using var transaction = await db.Database.BeginTransactionAsync().ConfigureAwait(false);
        var step = (IBatchStepRequest)members[0].Request!;
        IReadOnlyList<NpgsqlBatchCommand> statements;
        List<GroupMember> fresh;
        uint version;
        await using (var batch = OutboxStore<TDbContext>.NewBatch(db))
        {
            store.AddInbox(batch, Units(members));
            step.Load(batch, members.Select(x => x.Request!));
            await using var rows = await store.Run(batch, [], CancellationToken.None).ConfigureAwait(false);
            (version, var inserted) = await OutboxStore<TDbContext>.ReadInserted(rows).ConfigureAwait(false);
            fresh = [.. members.Where(x => x.Message.Count == 0 || IsIn(inserted, x))];
            statements = await step.Decide(rows, [.. fresh.Select(x => x.Request!)], CancellationToken.None)
                .ConfigureAwait(false);
        }

        var decided = await runHandlers(fresh).ConfigureAwait(false);
        var entries = Changes(decided);
        FaultInjection.Reach(FaultPoint.BeforeCommit);
        await store.CommitGroup(db, Units(decided), [.. bulkWriter.Statements(entries), .. statements],
            Units(fresh.Where(x => x.Request!.Error != null))).ConfigureAwait(false);
        bulkWriter.SetVersion(entries, version);
        foreach (var member in decided)
            member.Succeed();
        FaultInjection.Reach(FaultPoint.AfterCommit);
        Observe(entries);
        return true;
    });

    /// <inheritdoc />
    public GroupFailure Classify(Exception error) =>
        PostgresErrors.IsWarmUpRollback(error) ? GroupFailure.WarmUp
        : !PostgresErrors.MayConcernOneUnit(error) ? GroupFailure.Unavailable
        : PostgresErrors.IsLockTimeout(error) ? GroupFailure.LockTimeout
        : GroupFailure.OfOneUnit;

    void Observe(IEnumerable<EntityEntry> committed)
    {
        foreach (var observer in observers)
            foreach (var entry in committed)
                if (entry.State is EntityState.Added or EntityState.Modified)
                    observer.Committed(entry);
    }

    static List<UnitOfWork<TDbContext>> Units(IEnumerable<GroupMember> members) =>
        [.. members.Select(x => ((UnitMember<TDbContext>)x).Unit)];

    static List<EntityEntry> Changes(IEnumerable<GroupMember> members) =>
        [.. members.SelectMany(x => ((UnitMember<TDbContext>)x).Changed)];
}
