using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Storage;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Watches SaveChanges and hands new outbox rows to the relay when they are durable: after SaveChanges where it had a
/// transaction of its own, after the commit where the caller opened one. What it misses, recovery finds.
/// </summary>
sealed class OutboxSaveChangesInterceptor<TDbContext>(OutboxRelay<TDbContext> relay) : SaveChangesInterceptor, IDbTransactionInterceptor, IDbCommandInterceptor
    where TDbContext : DbContext
{
    readonly ConditionalWeakTable<DbContext, Batch> _batches = [];
    readonly ConditionalWeakTable<DbContext, object> _grouped = [];

    /// <summary>From here on what the context changes in the database is part of a consumer's unit, and not durable before it.</summary>
    public void Enter(DbContext db) => _grouped.AddOrUpdate(db, this);

    /// <summary>The consumer has ended.</summary>
    public void Leave(DbContext db) => _grouped.Remove(db);

    public override InterceptionResult<int> SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
    {
        if (NeedsTransaction(eventData.Context))
            eventData.Context.Database.BeginTransaction();
        Collect(eventData.Context);
        return result;
    }

    public override async ValueTask<InterceptionResult<int>> SavingChangesAsync(DbContextEventData eventData,
        InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        if (NeedsTransaction(eventData.Context))
            await eventData.Context.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        Collect(eventData.Context);
        return result;
    }

    /// <summary>ExecuteUpdate, ExecuteDelete and SQL of the handler's own.</summary>
    public InterceptionResult<int> NonQueryExecuting(DbCommand command, CommandEventData eventData, InterceptionResult<int> result)
    {
        if (NeedsTransaction(eventData.Context))
            command.Transaction = eventData.Context.Database.BeginTransaction().GetDbTransaction();
        return result;
    }

    /// <inheritdoc cref="NonQueryExecuting" />
    public async ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(DbCommand command, CommandEventData eventData, InterceptionResult<int> result,
        CancellationToken cancellationToken = default)
    {
        if (NeedsTransaction(eventData.Context))
            command.Transaction = (await eventData.Context.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false)).GetDbTransaction();
        return result;
    }

    /// <summary>Queries of the handler's own may lock or change rows as well.</summary>
    public InterceptionResult<DbDataReader> ReaderExecuting(DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result)
    {
        if (eventData.CommandSource == CommandSource.FromSqlQuery && NeedsTransaction(eventData.Context))
            command.Transaction = eventData.Context.Database.BeginTransaction().GetDbTransaction();
        return result;
    }

    /// <inheritdoc cref="ReaderExecuting" />
    public async ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command, CommandEventData eventData,
        InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        if (eventData.CommandSource == CommandSource.FromSqlQuery && NeedsTransaction(eventData.Context))
            command.Transaction = (await eventData.Context.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false)).GetDbTransaction();
        return result;
    }

    bool NeedsTransaction([NotNullWhen(true)] DbContext? db) => db is { Database.CurrentTransaction: null } && _grouped.TryGetValue(db, out _);

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

    public override void SaveChangesCanceled(DbContextEventData eventData) => Forget(eventData.Context);

    public override Task SaveChangesCanceledAsync(DbContextEventData eventData, CancellationToken cancellationToken = default)
    {
        Forget(eventData.Context);
        return Task.CompletedTask;
    }

    public InterceptionResult TransactionCommitting(DbTransaction transaction, TransactionEventData eventData, InterceptionResult result)
    {
        if (HasBatch(eventData))
            using (var probe = Probe(transaction))
                probe.ExecuteNonQuery();
        return result;
    }

    public async ValueTask<InterceptionResult> TransactionCommittingAsync(DbTransaction transaction, TransactionEventData eventData,
        InterceptionResult result, CancellationToken cancellationToken = default)
    {
        if (HasBatch(eventData))
            await using (var probe = Probe(transaction))
                await probe.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        return result;
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

    public void TransactionFailed(DbTransaction transaction, TransactionErrorEventData eventData) => Forget(eventData.Context);

    public Task TransactionFailedAsync(DbTransaction transaction, TransactionErrorEventData eventData, CancellationToken cancellationToken = default)
    {
        Forget(eventData.Context);
        return Task.CompletedTask;
    }

    // Which rows a savepoint takes back is not known here; those that stay are found by recovery.
    public void RolledBackToSavepoint(DbTransaction transaction, TransactionEventData eventData) => Forget(eventData.Context);

    public Task RolledBackToSavepointAsync(DbTransaction transaction, TransactionEventData eventData, CancellationToken cancellationToken = default)
    {
        Forget(eventData.Context);
        return Task.CompletedTask;
    }

    /// <summary>
    /// PostgreSQL answers the COMMIT of a transaction in which a statement has failed with a silent rollback. A last
    /// statement fails aloud then, and so does the caller's commit.
    /// </summary>
    static DbCommand Probe(DbTransaction transaction)
    {
        var probe = transaction.Connection!.CreateCommand();
        (probe.Transaction, probe.CommandText) = (transaction, "select 1");
        return probe;
    }

    bool HasBatch(TransactionEventData transaction) =>
        transaction.Context is { } db && _batches.TryGetValue(db, out var batch) && batch.TransactionId == transaction.TransactionId;

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
            if (db.Entry(message) is { State: EntityState.Unchanged } accepted)
                accepted.State = EntityState.Detached; // the relay's from here on; else the caller may save it again
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
        public HashSet<OutboxMessage> Messages { get; } = [];
    }
}
