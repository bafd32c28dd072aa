using System.Data.Common;
using System.Runtime.CompilerServices;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Database;
using Messaging.Postgres.Inbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Posts new outbox rows to the dispatcher as soon as they are durable: after a SaveChanges with its own transaction,
/// or after the commit of the caller's transaction. Recovery sends any message that is missed here.
/// </summary>
/// <param name="dispatcher">
/// The dispatcher, which needs the bus. A DbContext must not: the bus may be configured from its database.
/// </param>
/// <param name="unreported">Finds out about commits that EF Core does not report; needs the bus, too.</param>
/// <param name="handlerTransactions">The transactions of handlers.</param>
/// <param name="clock">The database's clock.</param>
sealed class OutboxSaveChangesInterceptor<TDbContext>(Lazy<MessageDispatcher<TDbContext>> dispatcher,
    Lazy<UnreportedCommits<TDbContext>> unreported, HandlerTransactionInterceptor handlerTransactions,
    DatabaseClock<TDbContext> clock)
    : SaveChangesInterceptor, IDbTransactionInterceptor
    where TDbContext : DbContext
{
    readonly ConditionalWeakTable<DbContext, Batch> _batches = [];
    readonly ConditionalWeakTable<DbTransaction, object> _committedByCaller = [];
    readonly ConditionalWeakTable<DbContext, object> _writtenByGroup = [];
    IDbContextOptions? _intercepted;

    /// <summary>Listens to a context that was not made by AddDbContext, and so has no interceptors.</summary>
    public void Observe(TDbContext db)
    {
        var options = db.GetService<IDbContextOptions>();
        if (ReferenceEquals(options, _intercepted))
            return;
        if (options.FindExtension<CoreOptionsExtension>()?.Interceptors?.Contains(this) == true)
        {
            _intercepted = options;
            return;
        }

        db.SavingChanges -= CollectObserved;
        db.SavingChanges += CollectObserved;
        db.SavedChanges -= PostObserved;
        db.SavedChanges += PostObserved;
        db.SaveChangesFailed -= FailObserved;
        db.SaveChangesFailed += FailObserved;
    }

    /// <summary>
    /// Raises the events of SaveChanges for changes that a group commit is going to write, and detects them. Nothing is
    /// saved, and SQL of the events' handlers opens a transaction. The context must have this interceptor and no other.
    /// </summary>
    public async Task RaiseEventsAsync(TDbContext db, CancellationToken cancellationToken)
    {
        _writtenByGroup.AddOrUpdate(db, this);
        var isEntered = handlerTransactions.TryEnter(db);
        try
        {
            await db.SaveChangesAsync(acceptAllChangesOnSuccess: false, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _writtenByGroup.Remove(db);
            if (isEntered)
                handlerTransactions.Leave(db);
        }
    }

    bool IsWrittenByGroup(DbContext? db) => db != null && _writtenByGroup.TryGetValue(db, out _);

    void CollectObserved(object? db, EventArgs e) => Collect((DbContext?)db);

    void FailObserved(object? db, EventArgs e) => SaveFailed((DbContext?)db);

    void PostObserved(object? db, EventArgs e)
    {
        if (((DbContext)db!).Database.CurrentTransaction is { } transaction)
            _committedByCaller.AddOrUpdate(transaction.GetDbTransaction(), this);
        Saved((DbContext)db);
    }

    public DbTransaction TransactionUsed(DbConnection connection, TransactionEventData eventData, DbTransaction result)
    {
        _committedByCaller.AddOrUpdate(result, this);
        return result;
    }

    public ValueTask<DbTransaction> TransactionUsedAsync(DbConnection connection, TransactionEventData eventData,
        DbTransaction result, CancellationToken cancellationToken = default) =>
        new(TransactionUsed(connection, eventData, result));

    public override InterceptionResult<int> SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
    {
        if (IsWrittenByGroup(eventData.Context))
            return InterceptionResult<int>.SuppressWithResult(0);
        handlerTransactions.BeforeSaveChanges(eventData.Context);
        Collect(eventData.Context);
        return result;
    }

    public override async ValueTask<InterceptionResult<int>> SavingChangesAsync(DbContextEventData eventData,
        InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        if (IsWrittenByGroup(eventData.Context))
            return InterceptionResult<int>.SuppressWithResult(0);
        await handlerTransactions.BeforeSaveChangesAsync(eventData.Context, cancellationToken).ConfigureAwait(false);
        Collect(eventData.Context);
        return result;
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

    public override void SaveChangesFailed(DbContextErrorEventData eventData) =>
        SaveFailed(eventData.Context);

    public override Task SaveChangesFailedAsync(DbContextErrorEventData eventData,
        CancellationToken cancellationToken = default) =>
        SaveFailedAsync(eventData.Context);

    public override void SaveChangesCanceled(DbContextEventData eventData) => SaveFailed(eventData.Context);

    public override Task SaveChangesCanceledAsync(DbContextEventData eventData,
        CancellationToken cancellationToken = default) =>
        SaveFailedAsync(eventData.Context);

    public InterceptionResult TransactionCommitting(DbTransaction transaction, TransactionEventData eventData,
        InterceptionResult result)
    {
        if (HasBatch(eventData))
            using (var probe = Probe(transaction))
                probe.ExecuteNonQuery();
        return result;
    }

    public async ValueTask<InterceptionResult> TransactionCommittingAsync(DbTransaction transaction,
        TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default)
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
        CancellationToken cancellationToken = default) => ForgetAsync(eventData.Context);

    public void TransactionFailed(DbTransaction transaction, TransactionErrorEventData eventData) =>
        CommitFailed(eventData.Context);

    public Task TransactionFailedAsync(DbTransaction transaction, TransactionErrorEventData eventData,
        CancellationToken cancellationToken = default)
    {
        CommitFailed(eventData.Context);
        return Task.CompletedTask;
    }

    public void RolledBackToSavepoint(DbTransaction transaction, TransactionEventData eventData) =>
        SaveFailed(eventData.Context);

    public Task RolledBackToSavepointAsync(DbTransaction transaction, TransactionEventData eventData,
        CancellationToken cancellationToken = default) => SaveFailedAsync(eventData.Context);

    /// <summary>
    /// PostgreSQL silently rolls back when a failed transaction is committed. This extra statement makes such a commit
    /// fail instead.
    /// </summary>
    static DbCommand Probe(DbTransaction transaction)
    {
        var probe = transaction.Connection!.CreateCommand();
        (probe.Transaction, probe.CommandText) = (transaction, "select 1");
        return probe;
    }

    bool HasBatch(TransactionEventData transaction) => transaction.Context is { } db
        && _batches.TryGetValue(db, out var batch) && batch.TransactionId == transaction.TransactionId;

    void Collect(DbContext? db)
    {
        if (db is not TDbContext)
            return;
        var transaction = db.Database.CurrentTransaction?.TransactionId;
        if (_batches.TryGetValue(db, out var batch) && (transaction == null || batch.TransactionId != transaction))
            _batches.Remove(db); // its transaction has ended without a commit
        foreach (var entry in db.ChangeTracker.Entries<OutboxMessage>())
            if (entry.State == EntityState.Added)
            {
                entry.Entity.SetEnqueueTime(clock.UtcNow);
                _batches.GetValue(db, _ => new Batch(transaction)).Messages.Add(entry.Entity);
            }
    }

    void Saved(DbContext? db)
    {
        if (db == null || !_batches.TryGetValue(db, out var batch))
            return;
        foreach (var message in batch.Messages)
            if (db.Entry(message) is { State: EntityState.Unchanged } accepted)
                accepted.State = EntityState.Detached; // otherwise the caller could save it again
        var isAmbient = System.Transactions.Transaction.Current != null
            || db.GetService<IDbContextTransactionManager>() is ITransactionEnlistmentManager
            {
                EnlistedTransaction: not null,
            };
        if (isAmbient || db.Database.CurrentTransaction is { } transaction
            && _committedByCaller.TryGetValue(transaction.GetDbTransaction(), out _))
        {
            _batches.Remove(db);
            unreported.Value.PostWhenCommitted(batch.Messages);
        }
        else if (batch.TransactionId == null)
        {
            Post(db, batch);
        }
    }

    void Committed(TransactionEndEventData ended)
    {
        if (ended.Context is { } db && _batches.TryGetValue(db, out var batch)
            && batch.TransactionId == ended.TransactionId)
            Post(db, batch);
    }

    void Post(DbContext db, Batch batch)
    {
        _batches.Remove(db);
        if (batch.IsPartial)
            dispatcher.Value.Release(batch.Messages);
        else
            dispatcher.Value.Post(batch.Messages);
    }

    /// <summary>The caller can still commit its transaction, with what it has saved before.</summary>
    void SaveFailed(DbContext? db)
    {
        if (db != null && _batches.TryGetValue(db, out var batch) && batch.TransactionId != null)
            batch.IsPartial = true;
        else
            CommitFailed(db);
    }

    Task SaveFailedAsync(DbContext? db)
    {
        SaveFailed(db);
        return Task.CompletedTask;
    }

    void CommitFailed(DbContext? db)
    {
        if (db == null || !_batches.TryGetValue(db, out var batch))
            return;
        _batches.Remove(db);
        dispatcher.Value.Release(batch.Messages);
    }

    void Forget(DbContext? db)
    {
        if (db != null)
            _batches.Remove(db);
    }

    Task ForgetAsync(DbContext? db)
    {
        Forget(db);
        return Task.CompletedTask;
    }

    /// <summary>The new rows of one SaveChanges, or of all in the caller's transaction.</summary>
    sealed class Batch(Guid? transactionId)
    {
        public Guid? TransactionId => transactionId;
        public HashSet<OutboxMessage> Messages { get; } = [];

        /// <summary>
        /// Whether rows may have been rolled back, it is not known which: recovery finds those that remain.
        /// </summary>
        public bool IsPartial { get; set; }
    }
}
