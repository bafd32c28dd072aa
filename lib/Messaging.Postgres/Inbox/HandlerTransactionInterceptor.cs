using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Storage;

namespace Messaging.Postgres.Inbox;

/// <summary>
/// Opens a transaction when a handler that runs without one changes the database itself: by SaveChanges,
/// ExecuteUpdate, ExecuteDelete or SQL. Its changes then commit with its message, in that transaction. Refuses a
/// handler that ends its transaction, because its changes would not become durable together with its message.
/// </summary>
sealed class HandlerTransactionInterceptor : IDbCommandInterceptor, IDbTransactionInterceptor
{
    readonly ConditionalWeakTable<DbContext, Handler> _handlers = [];

    /// <summary>A handler runs on the context from here on.</summary>
    public void Enter(DbContext db) =>
        _handlers.AddOrUpdate(db, new Handler { HasBegun = db.Database.CurrentTransaction != null });

    /// <summary>Has SQL open a transaction from here on, without a handler.</summary>
    /// <returns>False if a handler runs on the context; call <see cref="Leave" /> only if true.</returns>
    public bool TryEnter(DbContext db) => _handlers.TryAdd(db, new Handler { IsComplete = true });

    /// <summary>The handler has ended, and its message is committed from here on.</summary>
    /// <exception cref="InvalidOperationException">It has ended its transaction.</exception>
    public void Complete(DbContext db)
    {
        if (!_handlers.TryGetValue(db, out var handler))
            return;
        handler.IsComplete = true;
        if (handler.HasBegun && db.Database.CurrentTransaction == null)
            throw OwnEnd();
    }

    /// <summary>The message is committed, or has failed.</summary>
    public void Leave(DbContext db) => _handlers.Remove(db);

    /// <summary>
    /// SaveChanges; called by the outbox's interceptor, so that a DbContext has only one for SaveChanges.
    /// </summary>
    public void BeforeSaveChanges(DbContext? db)
    {
        if (NeedsTransaction(db))
            db.Database.BeginTransaction();
    }

    /// <inheritdoc cref="BeforeSaveChanges" />
    public async ValueTask BeforeSaveChangesAsync(DbContext? db, CancellationToken cancellationToken)
    {
        if (NeedsTransaction(db))
            await db.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>ExecuteUpdate, ExecuteDelete and ExecuteSql.</summary>
    public InterceptionResult<int> NonQueryExecuting(DbCommand command, CommandEventData eventData,
        InterceptionResult<int> result)
    {
        if (NeedsTransaction(eventData.Context))
            command.Transaction = eventData.Context.Database.BeginTransaction().GetDbTransaction();
        return result;
    }

    /// <inheritdoc cref="NonQueryExecuting" />
    public async ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(DbCommand command,
        CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        if (NeedsTransaction(eventData.Context))
            command.Transaction = await Begin(eventData.Context, cancellationToken).ConfigureAwait(false);
        return result;
    }

    /// <summary>SQL queries, which may lock or change rows.</summary>
    public InterceptionResult<DbDataReader> ReaderExecuting(DbCommand command, CommandEventData eventData,
        InterceptionResult<DbDataReader> result)
    {
        if (NeedsTransaction(eventData.Context) && SqlQueries.IsOne(command, eventData))
            command.Transaction = eventData.Context.Database.BeginTransaction().GetDbTransaction();
        return result;
    }

    /// <inheritdoc cref="ReaderExecuting" />
    public async ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command,
        CommandEventData eventData, InterceptionResult<DbDataReader> result,
        CancellationToken cancellationToken = default)
    {
        if (NeedsTransaction(eventData.Context) && SqlQueries.IsOne(command, eventData))
            command.Transaction = await Begin(eventData.Context, cancellationToken).ConfigureAwait(false);
        return result;
    }

    public DbTransaction TransactionStarted(DbConnection connection, TransactionEndEventData eventData,
        DbTransaction result)
    {
        if (RunningOn(eventData.Context) is { } handler)
            handler.HasBegun = true;
        return result;
    }

    public ValueTask<DbTransaction> TransactionStartedAsync(DbConnection connection, TransactionEndEventData eventData,
        DbTransaction result, CancellationToken cancellationToken = default) =>
        new(TransactionStarted(connection, eventData, result));

    public InterceptionResult TransactionCommitting(DbTransaction transaction, TransactionEventData eventData,
        InterceptionResult result) => RunningOn(eventData.Context) == null ? result : throw OwnEnd();

    public ValueTask<InterceptionResult> TransactionCommittingAsync(DbTransaction transaction,
        TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default) =>
        RunningOn(eventData.Context) == null ? new(result) : throw OwnEnd();

    Handler? RunningOn(DbContext? db) =>
        db != null && _handlers.TryGetValue(db, out var handler) && !handler.IsComplete ? handler : null;

    static InvalidOperationException OwnEnd() => new(
        "A handler must not commit, roll back or dispose its transaction: the end of the handler commits it together "
        + "with the message");

    static async Task<DbTransaction> Begin(DbContext db, CancellationToken cancellationToken) =>
        (await db.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false)).GetDbTransaction();

    bool NeedsTransaction([NotNullWhen(true)] DbContext? db) =>
        db is { Database.CurrentTransaction: null } && _handlers.TryGetValue(db, out _);

    sealed class Handler
    {
        /// <summary>A transaction has begun.</summary>
        public bool HasBegun { get; set; }

        public bool IsComplete { get; set; }
    }
}
