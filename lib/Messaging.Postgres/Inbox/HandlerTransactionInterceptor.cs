using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Storage;

namespace Messaging.Postgres.Inbox;

/// <summary>
/// Opens a transaction when a handler that runs without one changes the database itself: by SaveChanges,
/// ExecuteUpdate, ExecuteDelete or SQL. Its changes then commit with its message, in that transaction.
/// </summary>
sealed class HandlerTransactionInterceptor : IDbCommandInterceptor
{
    readonly ConditionalWeakTable<DbContext, object> _handlers = [];

    /// <summary>A handler runs on the context from here on.</summary>
    public void Enter(DbContext db) => _handlers.AddOrUpdate(db, this);

    /// <summary>The handler has ended.</summary>
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
        if (eventData.CommandSource == CommandSource.FromSqlQuery && NeedsTransaction(eventData.Context))
            command.Transaction = eventData.Context.Database.BeginTransaction().GetDbTransaction();
        return result;
    }

    /// <inheritdoc cref="ReaderExecuting" />
    public async ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command,
        CommandEventData eventData, InterceptionResult<DbDataReader> result,
        CancellationToken cancellationToken = default)
    {
        if (eventData.CommandSource == CommandSource.FromSqlQuery && NeedsTransaction(eventData.Context))
            command.Transaction = await Begin(eventData.Context, cancellationToken).ConfigureAwait(false);
        return result;
    }

    static async Task<DbTransaction> Begin(DbContext db, CancellationToken cancellationToken) =>
        (await db.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false)).GetDbTransaction();

    bool NeedsTransaction([NotNullWhen(true)] DbContext? db) =>
        db is { Database.CurrentTransaction: null } && _handlers.TryGetValue(db, out _);
}
