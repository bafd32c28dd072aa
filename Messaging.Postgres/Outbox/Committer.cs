using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// The one place where units of work become durable, those of RPCs and of messages alike: changes, statements, inbox
/// row, messages and schedule in one transaction.
/// </summary>
sealed class Committer<TDbContext>(OutboxStore<TDbContext> store) where TDbContext : DbContext
{
    /// <summary>Commits in the DbContext's open transaction. If it throws, nothing is committed and nothing is forgotten.</summary>
    public async Task Commit(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        var db = unit.DbContext;
        db.Database.AutoSavepointsEnabled = false; // the whole transaction is the savepoint
        await db.SaveChangesAsync(acceptAllChangesOnSuccess: false, cancellationToken).ConfigureAwait(false);
        FaultPoint.Reach(FaultPoint.BeforeCommit);
        await store.Commit(unit, cancellationToken).ConfigureAwait(false);
        FaultPoint.Reach(FaultPoint.AfterCommit);
        db.ChangeTracker.AcceptAllChanges();
    }
}
