using System.Data;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Storage;

namespace Messaging.Postgres.Inbox;

/// <summary>
/// Opens a transaction when a handler that runs without one changes the database itself: by SaveChanges,
/// ExecuteUpdate, ExecuteDelete or SQL. Its changes then commit with its message, in that transaction. Refuses what
/// would not commit together with the message: a handler that ends its transaction, and one that uses the connection of
/// a DbContext without a transaction, for example by Dapper. If such a handler has EF Core open the connection, this is
/// noticed at its end, and what its own commands did remains.
/// </summary>
sealed class HandlerTransactionInterceptor : DbConnectionInterceptor, IDbCommandInterceptor, IDbTransactionInterceptor
{
    readonly ConditionalWeakTable<DbContext, Handler> _handlers = [];

    /// <summary>A handler runs on the context from here on.</summary>
    public void Enter(DbContext db) =>
        _handlers.AddOrUpdate(db, new Handler { HasBegun = db.Database.CurrentTransaction != null });

    /// <summary>The handler has ended, and its message is committed from here on.</summary>
    /// <exception cref="InvalidOperationException">
    /// It has ended its transaction; or it has opened the connection for commands that EF Core does not see, and has
    /// begun none.
    /// </exception>
    public void Complete(DbContext db)
    {
        if (!_handlers.TryGetValue(db, out var handler))
            return;
        handler.IsComplete = true;
        if (db.Database.CurrentTransaction != null)
            return;
        if (handler.HasBegun)
            throw OwnEnd();
        if (handler.HasOpened || (handler.HasUsed && db.Database.GetDbConnection().State == ConnectionState.Open))
            throw NoTransaction();
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
        Executing(eventData.Context);
        if (NeedsTransaction(eventData.Context))
            command.Transaction = eventData.Context.Database.BeginTransaction().GetDbTransaction();
        return result;
    }

    /// <inheritdoc cref="NonQueryExecuting" />
    public async ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(DbCommand command,
        CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        Executing(eventData.Context);
        if (NeedsTransaction(eventData.Context))
            command.Transaction = await Begin(eventData.Context, cancellationToken).ConfigureAwait(false);
        return result;
    }

    /// <summary>Commands of EF Core itself, such as those that generate keys.</summary>
    public InterceptionResult<object> ScalarExecuting(DbCommand command, CommandEventData eventData,
        InterceptionResult<object> result)
    {
        Executing(eventData.Context);
        return result;
    }

    /// <inheritdoc cref="ScalarExecuting" />
    public ValueTask<InterceptionResult<object>> ScalarExecutingAsync(DbCommand command, CommandEventData eventData,
        InterceptionResult<object> result, CancellationToken cancellationToken = default) =>
        new(ScalarExecuting(command, eventData, result));

    /// <summary>SQL queries, which may lock or change rows.</summary>
    public InterceptionResult<DbDataReader> ReaderExecuting(DbCommand command, CommandEventData eventData,
        InterceptionResult<DbDataReader> result)
    {
        Executing(eventData.Context);
        if (NeedsTransaction(eventData.Context) && SqlQueries.IsOne(command, eventData))
            command.Transaction = eventData.Context.Database.BeginTransaction().GetDbTransaction();
        return result;
    }

    /// <inheritdoc cref="ReaderExecuting" />
    public async ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command,
        CommandEventData eventData, InterceptionResult<DbDataReader> result,
        CancellationToken cancellationToken = default)
    {
        Executing(eventData.Context);
        if (NeedsTransaction(eventData.Context) && SqlQueries.IsOne(command, eventData))
            command.Transaction = await Begin(eventData.Context, cancellationToken).ConfigureAwait(false);
        return result;
    }

    public override DbConnection ConnectionCreated(ConnectionCreatedEventData eventData, DbConnection result)
    {
        if (eventData.Context is { } db)
            result.StateChange += (_, change) =>
            {
                if (change.CurrentState == ConnectionState.Open && RunningOn(db) is { IsOpening: false })
                    throw NoTransaction();
            };
        return result;
    }

    public override InterceptionResult ConnectionOpening(DbConnection connection, ConnectionEventData eventData,
        InterceptionResult result)
    {
        Opening(eventData.Context);
        return result;
    }

    public override ValueTask<InterceptionResult> ConnectionOpeningAsync(DbConnection connection,
        ConnectionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default)
    {
        Opening(eventData.Context);
        return new(result);
    }

    public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData) =>
        Opened(eventData.Context);

    public override Task ConnectionOpenedAsync(DbConnection connection, ConnectionEndEventData eventData,
        CancellationToken cancellationToken = default)
    {
        Opened(eventData.Context);
        return Task.CompletedTask;
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

    void Opening(DbContext? db)
    {
        if (RunningOn(db) is { } handler)
            (handler.IsOpening, handler.HasOpened, handler.HasUsed) = (true, true, true);
    }

    void Opened(DbContext? db)
    {
        if (RunningOn(db) is { } handler)
            handler.IsOpening = false;
    }

    /// <summary>EF Core has opened the connection for its own command.</summary>
    void Executing(DbContext? db)
    {
        if (RunningOn(db) is { } handler)
            handler.HasOpened = false;
    }

    Handler? RunningOn(DbContext? db) =>
        db != null && _handlers.TryGetValue(db, out var handler) && !handler.IsComplete ? handler : null;

    static InvalidOperationException NoTransaction() => new(
        "A handler that uses the connection of its DbContext itself must begin a transaction before, by "
        + "Database.BeginTransactionAsync: otherwise its changes would be committed without its message. The end of "
        + "the handler commits the transaction");

    static InvalidOperationException OwnEnd() => new(
        "A handler must not commit, roll back or dispose its transaction: the end of the handler commits it together "
        + "with the message");

    static async Task<DbTransaction> Begin(DbContext db, CancellationToken cancellationToken) =>
        (await db.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false)).GetDbTransaction();

    bool NeedsTransaction([NotNullWhen(true)] DbContext? db) =>
        db is { Database.CurrentTransaction: null } && _handlers.TryGetValue(db, out _);

    /// <summary>What a running handler does with the connection of its context.</summary>
    sealed class Handler
    {
        /// <summary>A transaction has begun.</summary>
        public bool HasBegun { get; set; }

        /// <summary>EF Core has opened the connection, and has run no command on it yet.</summary>
        public bool HasOpened { get; set; }

        /// <summary>EF Core has opened the connection.</summary>
        public bool HasUsed { get; set; }

        public bool IsComplete { get; set; }

        /// <summary>EF Core is opening the connection.</summary>
        public bool IsOpening { get; set; }
    }
}
