using System.Data;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;

namespace Service.Defaults;

/// <summary>
/// Has each context connect to the current primary: a pooled context keeps its closed connection, to the host that was
/// the primary when the context was made.
/// </summary>
sealed class PrimaryInterceptor(PrimaryDatabase database) : DbConnectionInterceptor, IDbCommandInterceptor
{
    /// <summary>EF Core makes some commands before it opens their connection; then they keep it.</summary>
    public InterceptionResult<DbCommand> CommandCreating(
        CommandCorrelatedEventData eventData, InterceptionResult<DbCommand> result)
    {
        if (eventData.Connection.State == ConnectionState.Closed)
            Follow(eventData.Connection, eventData.Context);
        return result;
    }

    public override InterceptionResult ConnectionOpening(DbConnection connection, ConnectionEventData eventData,
        InterceptionResult result)
    {
        Follow(connection, eventData.Context);
        return result;
    }

    public override ValueTask<InterceptionResult> ConnectionOpeningAsync(DbConnection connection,
        ConnectionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default)
    {
        Follow(connection, eventData.Context);
        return new(result);
    }

    /// <exception cref="NpgsqlException">
    /// The primary hangs, or the context cannot move: whoever uses it has opened its connection, which was lost.
    /// </exception>
    void Follow(DbConnection connection, DbContext? context)
    {
        var pool = database.Pool;
        if (context == null || database.IsCurrent((NpgsqlConnection)connection))
            return;
        var timeout = context.Database.GetCommandTimeout();
        var current = pool.CreateConnection();
        try
        {
            context.Database.SetDbConnection(current, contextOwnsConnection: true);
        }
        catch (InvalidOperationException e)
        {
            current.Dispose();
            throw new NpgsqlException($"{connection.DataSource} is not the primary any more", e);
        }

        context.Database.SetCommandTimeout(timeout);
    }
}
