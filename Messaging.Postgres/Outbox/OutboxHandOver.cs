using System.Data.Common;
using System.Runtime.CompilerServices;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Watches SaveChanges and hands new outbox rows to the relay when they are durable: after SaveChanges where it had a
/// transaction of its own, after the commit where the caller opened one. What it misses, recovery finds.
/// </summary>
sealed class OutboxHandOver<TDbContext>(OutboxRelay<TDbContext> relay) : SaveChangesInterceptor, IDbTransactionInterceptor
    where TDbContext : DbContext
{
    readonly ConditionalWeakTable<DbContext, Batch> _batches = [];

    public override InterceptionResult<int> SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
    {
        Collect(eventData.Context);
        return result;
    }

    public override ValueTask<InterceptionResult<int>> SavingChangesAsync(DbContextEventData eventData,
        InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        Collect(eventData.Context);
        return new(result);
    }

    public override int SavedChanges(SaveChangesCompletedEventData eventData, int result)
    {
        Saved(eventData.Context);
        return result;
    }

    public override ValueTask<int> SavedChangesAsync(SaveChangesCompletedEventData eventData, int result,
        CancellationToken cancellationToken = default)
    {
        Saved(eventData.Context);
        return new(result);
    }

    public override void SaveChangesFailed(DbContextErrorEventData eventData) => Forget(eventData.Context);

    public override Task SaveChangesFailedAsync(DbContextErrorEventData eventData, CancellationToken cancellationToken = default)
    {
        Forget(eventData.Context);
        return Task.CompletedTask;
    }

    public void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData) =>
        Committed(eventData);

    public Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData,
        CancellationToken cancellationToken = default)
    {
        Committed(eventData);
        return Task.CompletedTask;
    }

    public void TransactionRolledBack(DbTransaction transaction, TransactionEndEventData eventData) =>
        Forget(eventData.Context);

    public Task TransactionRolledBackAsync(DbTransaction transaction, TransactionEndEventData eventData,
        CancellationToken cancellationToken = default)
    {
        Forget(eventData.Context);
        return Task.CompletedTask;
    }

    void Collect(DbContext? db)
    {
        if (db is not TDbContext)
            return;
        var transaction = db.Database.CurrentTransaction?.TransactionId;
        if (_batches.TryGetValue(db, out var batch) && (transaction == null || batch.TransactionId != transaction))
            _batches.Remove(db); // of a transaction that ended without a commit
        foreach (var entry in db.ChangeTracker.Entries<OutboxMessage>())
            if (entry.State == EntityState.Added)
                _batches.GetValue(db, _ => new Batch(transaction)).Messages.Add(entry.Entity);
    }

    void Saved(DbContext? db)
    {
        if (db == null || !_batches.TryGetValue(db, out var batch))
            return;
        foreach (var message in batch.Messages)
            db.Entry(message).State = EntityState.Detached; // the relay's from here on
        if (batch.TransactionId == null && System.Transactions.Transaction.Current == null)
            HandOver(db, batch);
    }

    void Committed(TransactionEndEventData ended)
    {
        if (ended.Context is { } db && _batches.TryGetValue(db, out var batch) && batch.TransactionId == ended.TransactionId)
            HandOver(db, batch);
    }

    void HandOver(DbContext db, Batch batch)
    {
        _batches.Remove(db);
        relay.Post(batch.Messages);
    }

    void Forget(DbContext? db)
    {
        if (db != null)
            _batches.Remove(db);
    }

    /// <summary>New rows of one SaveChanges, or of all in the caller's transaction.</summary>
    sealed class Batch(Guid? transactionId)
    {
        public Guid? TransactionId => transactionId;
        public List<OutboxMessage> Messages { get; } = [];
    }
}
