using System.Net.Sockets;
using Messaging.Postgres.Database;
using Messaging.Postgres.Outbox;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Messaging.Postgres.Commits;

/// <summary>
/// One try to commit units of work in one transaction. Who is a repeat, is refused, or meets a row that has changed, falls
/// out; the others commit without it.
/// </summary>
sealed class GroupCommit<TDbContext>(OutboxStore<TDbContext> store, BulkWriter<TDbContext> sets, RecentContexts<TDbContext> contexts,
    IEnumerable<IRecentSagas> newInstances, IServiceScopeFactory scopes, IReadOnlyList<GroupMember<TDbContext>> group)
    where TDbContext : DbContext
{
    /// <summary>How long the handlers of a group may take after its decision: its locks are held meanwhile.</summary>
    static readonly TimeSpan MaxHandler = TimeSpan.FromSeconds(10);

    /// <summary>The handlers know what was decided for them: they cannot be tried again from here.</summary>
    public bool IsTold { get; private set; }

    /// <summary>
    /// Whether a failure may be one member's alone, and nothing of those that have not ended is committed: what the database has
    /// refused, and what could not be sent to it. A connection that is lost, or cannot be made, says nothing about any member.
    /// </summary>
    public static bool MayBeOneMembers(Exception error)
    {
        for (var cause = error; cause != null; cause = cause.InnerException)
            switch (cause)
            {
                case NpgsqlException:
                    return cause is PostgresException refused && !PostgresErrors.IsAboutTheServer(refused);
                case SocketException or TimeoutException: // a name that is not resolved: Npgsql does not wrap it
                    return false;
            }

        return true;
    }

    /// <exception cref="Exception">Nothing is committed of those that have not ended, or that is not known.</exception>
    public async Task Run()
    {
        if (group[0] is AskingMember<TDbContext>)
            await contexts.Use(db => Decide(db, [.. group.Cast<AskingMember<TDbContext>>()])).ConfigureAwait(false);
        else if (await contexts.Use(TryAtOnce).ConfigureAwait(false))
            return;
        else if (group is [var alone])
            await CommitAlone(alone).ConfigureAwait(false);
        else
            await CommitTogether([.. group]).ConfigureAwait(false);
    }

    /// <summary>
    /// Commits units whose handlers have ended, in one round trip that is the transaction: if any statement fails, nothing is
    /// committed.
    /// </summary>
    /// <returns>False if nothing is committed, and the slower way can tell why, or who.</returns>
    async Task<bool> TryAtOnce(TDbContext db)
    {
        await using var batch = new NpgsqlBatch((NpgsqlConnection)db.Database.GetDbConnection());
        IReadOnlyList<UnitOfWork<TDbContext>> units = [.. group.Select(x => x.Unit)];
        var entries = group.SelectMany(x => x.Changed).ToList();
        batch.BatchCommands.Add(new("select pg_current_xact_id()::xid"));
        store.AddNewInbox(batch, db, units);
        if (!sets.TryAdd(batch, db, entries))
            return false;
        store.AddUnits(batch, db, units, []);
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
        catch (Exception e) when (MayBeOneMembers(e) && !PostgresErrors.IsLocked(e)
            && (group.Count == 1 || store.IsRepeat(e) || BulkWriter<TDbContext>.HasChanged(e)))
        {
            return false;
        }

        FaultInjection.Reach(FaultPoint.AfterCommit);
        sets.SetVersion(entries, version);
        foreach (var member in group)
            member.Succeed();
        foreach (var instances in newInstances)
            entries.FindAll(x => x.State == EntityState.Added).ForEach(instances.Keep);
        return true;
    }

    /// <summary>Commits a unit whose DbContext has a transaction.</summary>
    public static async Task CommitOpen(OutboxStore<TDbContext> store, UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        var db = unit.DbContext;
        db.Database.AutoSavepointsEnabled = false; // the whole transaction is the savepoint
        await db.SaveChangesAsync(acceptAllChangesOnSuccess: false, cancellationToken).ConfigureAwait(false);
        FaultInjection.Reach(FaultPoint.BeforeCommit);
        await store.CommitUnit(unit, cancellationToken).ConfigureAwait(false);
        FaultInjection.Reach(FaultPoint.AfterCommit);
        db.ChangeTracker.AcceptAllChanges();
    }

    async Task CommitAlone(GroupMember<TDbContext> member)
    {
        await using (await member.Unit.DbContext.Database.BeginTransactionAsync().ConfigureAwait(false))
            await CommitOpen(store, member.Unit, CancellationToken.None).ConfigureAwait(false);
        member.Succeed();
    }

    /// <summary>Commits units whose handlers have ended; begins again without those whose rows have changed.</summary>
    async Task CommitTogether(List<GroupMember<TDbContext>> left)
    {
        while (left.Count > 0)
        {
            await using var scope = scopes.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<TDbContext>();
            await using var transaction = await db.Database.BeginTransactionAsync().ConfigureAwait(false);
            var repeated = await store.InsertInbox(db, [.. left.Select(x => x.Unit)]).ConfigureAwait(false);
            FallOut(left, [.. left.Where(x => x.Unit.Consumed is { } c && repeated.Contains(c))], new RepeatedMessageException());

            var merged = new MergedChanges<TDbContext>(db, left);
            try
            {
                await db.SaveChangesAsync(acceptAllChangesOnSuccess: false).ConfigureAwait(false);
            }
            catch (DbUpdateConcurrencyException e) when (merged.OwnersOf(e.Entries) is { Count: > 0 } owners)
            {
                FallOut(left, owners, e);
                continue;
            }

            await Commit(db, merged, left, [], []).ConfigureAwait(false);
            return;
        }
    }

    /// <summary>
    /// Decides for all who ask, has their handlers go on, and commits when the last has ended. The inbox's rows are
    /// inserted with the load: a repeat decides nothing.
    /// </summary>
    /// <returns>True: it is done.</returns>
    async Task<bool> Decide(TDbContext db, List<AskingMember<TDbContext>> asking)
    {
        await using var transaction = await db.Database.BeginTransactionAsync().ConfigureAwait(false);
        IReadOnlyList<NpgsqlBatchCommand> statements;
        IReadOnlyList<AskingMember<TDbContext>> refused;
        List<AskingMember<TDbContext>> fresh;
        await using (var batch = OutboxStore<TDbContext>.NewBatch(db))
        {
            store.AddInbox(batch, [.. asking.Select(x => x.Unit)]);
            asking[0].Load(batch, asking);
            await using var rows = await store.Run(batch, [], CancellationToken.None).ConfigureAwait(false);
            var inserted = await OutboxStore<TDbContext>.ReadInbox(rows).ConfigureAwait(false);
            fresh = asking.FindAll(x => x.Unit.Consumed is not { } c || inserted.Contains((c.MessageId, c.ConsumerId)));
            (statements, refused) = await asking[0].Decide(rows, fresh, CancellationToken.None).ConfigureAwait(false);
        }

        IsTold = true;
        foreach (var repeat in asking.Except(fresh))
            repeat.Fail(new RepeatedMessageException());
        fresh.ForEach(x => x.Answer(here: fresh.Count == 1));
        var going = fresh.Except(refused).ToList<GroupMember<TDbContext>>();
        try
        {
            var arrived = await Task.WhenAll(going.Select(x => ((AskingMember<TDbContext>)x).Arrived)).WaitAsync(MaxHandler).ConfigureAwait(false);
            if (arrived.Contains(false))
                throw new GroupBrokenException("A handler of the group has failed after the group had decided for it");
        }
        catch (TimeoutException)
        {
            var reason = $"A handler went on for more than {MaxHandler} after it had asked: what it asked for was locked all that time";
            throw asking.Count == 1 ? new InvalidOperationException(reason) : new GroupBrokenException(reason);
        }

        var merged = new MergedChanges<TDbContext>(db, going);
        if (!merged.IsEmpty)
            await db.SaveChangesAsync(acceptAllChangesOnSuccess: false).ConfigureAwait(false);
        await Commit(db, merged, going, statements, refused).ConfigureAwait(false);
        return true;
    }

    async Task Commit(TDbContext db, MergedChanges<TDbContext> merged, IReadOnlyList<GroupMember<TDbContext>> members,
        IReadOnlyList<NpgsqlBatchCommand> statements, IReadOnlyList<GroupMember<TDbContext>> refused)
    {
        FaultInjection.Reach(FaultPoint.BeforeCommit);
        await store.CommitGroup(db, [.. members.Select(x => x.Unit)], statements, [.. refused.Select(x => x.Unit)]).ConfigureAwait(false);
        foreach (var member in members)
            member.Succeed();
        FaultInjection.Reach(FaultPoint.AfterCommit);
        merged.Accept();
    }

    static void FallOut(List<GroupMember<TDbContext>> left, IReadOnlyCollection<GroupMember<TDbContext>> members, Exception reason)
    {
        foreach (var member in members)
        {
            left.Remove(member);
            member.Fail(reason);
        }
    }
}
