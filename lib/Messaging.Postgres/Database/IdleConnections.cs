using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;

namespace Messaging.Postgres.Database;

/// <summary>
/// Replaces pooled connections that were lost while they were idle: ended by <c>idle_session_timeout</c>, a restart of
/// the server, or a firewall, which may tell nobody. Nothing has been sent on them, so the caller need not see the
/// loss. A connection that was used a moment ago is not checked, so a busy service has no additional round trips. For a
/// second after a command has lost its connection, each is checked, because the others are probably lost, too.
/// </summary>
sealed class IdleConnections(TimeProvider time, IPrimaryServer? primary = null)
    : DbConnectionInterceptor, IDbCommandInterceptor
{
    const int MaxKnown = 1000;

    static readonly TimeSpan MaxIdle = TimeSpan.FromMilliseconds(200);

    readonly ConcurrentDictionary<int, long> _lastUsed = new(); // by process id of the server
    long _checkAllUntil; // timestamp

    /// <summary>Whether a connection must be checked before it is used again.</summary>
    /// <param name="lastUsed">The timestamp of its last use.</param>
    public bool IsDue(long lastUsed) =>
        time.GetElapsedTime(lastUsed) >= MaxIdle || MustCheckAll;

    bool MustCheckAll => time.GetTimestamp() < Volatile.Read(ref _checkAllUntil);

    public void CommandFailed(DbCommand command, CommandErrorEventData eventData) => Failed(eventData.Exception);

    public Task CommandFailedAsync(DbCommand command, CommandErrorEventData eventData,
        CancellationToken cancellationToken = default)
    {
        Failed(eventData.Exception);
        return Task.CompletedTask;
    }

    public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData)
    {
        if (!IsDue((NpgsqlConnection)connection))
            return;
        try
        {
            for (var isFirst = true; Check((NpgsqlConnection)connection, isFirst) == ServerState.Lost; isFirst = false)
            {
                if (isFirst)
                    Clear((NpgsqlConnection)connection);
                connection.Close();
                connection.Open();
            }
        }
        catch
        {
            connection.Close();
            throw;
        }
    }

    public override async Task ConnectionOpenedAsync(DbConnection connection, ConnectionEndEventData eventData,
        CancellationToken cancellationToken = default)
    {
        if (IsDue((NpgsqlConnection)connection))
            await ReplaceLostAsync((NpgsqlConnection)connection, () => Clear((NpgsqlConnection)connection),
                cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Replaces an open connection until one is alive.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="clearPool">Closes the idle connections of its pool, which have probably been lost, too.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    /// <returns>The state of its server, which is not Lost.</returns>
    /// <exception cref="NpgsqlException">None can be opened; then the connection is closed.</exception>
    public static async Task<ServerState> ReplaceLostAsync(
        NpgsqlConnection connection, Action clearPool, CancellationToken cancellationToken)
    {
        try
        {
            for (var isFirst = true; ; isFirst = false)
            {
                var state = await CheckAsync(connection, isFirst, cancellationToken).ConfigureAwait(false);
                if (state != ServerState.Lost)
                    return state;
                if (isFirst)
                    clearPool();
                await connection.CloseAsync().ConfigureAwait(false);
                await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        catch
        {
            // EF Core does not count this opening, so nobody would close the connection.
            await connection.CloseAsync().ConfigureAwait(false);
            throw;
        }
    }

    public override InterceptionResult ConnectionClosing(DbConnection connection, ConnectionEventData eventData,
        InterceptionResult result)
    {
        Used((NpgsqlConnection)connection);
        return result;
    }

    public override ValueTask<InterceptionResult> ConnectionClosingAsync(DbConnection connection,
        ConnectionEventData eventData, InterceptionResult result)
    {
        Used((NpgsqlConnection)connection);
        return new(result);
    }

    /// <summary>Asks the server of an open connection for its state.</summary>
    /// <exception cref="NpgsqlException">The server does not respond in time.</exception>
    public static Task<ServerState> CheckAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        CheckAsync(connection, isFirst: false, cancellationToken);

    static async Task<ServerState> CheckAsync(
        NpgsqlConnection connection, bool isFirst, CancellationToken cancellationToken)
    {
        try
        {
            await using var check = NewCheck(connection);
            return StateOf(await check.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false));
        }
        catch (NpgsqlException e) when (IsLost(e, isFirst))
        {
            return ServerState.Lost;
        }
    }

    static ServerState Check(NpgsqlConnection connection, bool isFirst)
    {
        try
        {
            using var check = NewCheck(connection);
            return StateOf(check.ExecuteScalar());
        }
        catch (NpgsqlException e) when (IsLost(e, isFirst))
        {
            return ServerState.Lost;
        }
    }

    /// <summary>
    /// Whether another connection may be better. A firewall can have dropped the first one silently; if the second does
    /// not respond either, it is the server that hangs.
    /// </summary>
    static bool IsLost(NpgsqlException error, bool isFirst) => isFirst || error.InnerException is not TimeoutException;

    static ServerState StateOf(object? isReadOnly) => isReadOnly is true ? ServerState.ReadOnly : ServerState.Writable;

    static NpgsqlCommand NewCheck(NpgsqlConnection connection) =>
        new("select current_setting('transaction_read_only')::bool", connection) { CommandTimeout = 5 };

    /// <summary>Has each connection checked for a second, if the error is the loss of one.</summary>
    public void Failed(Exception error)
    {
        if (PostgresErrors.IsConnectionLost(error))
            Volatile.Write(ref _checkAllUntil, time.GetTimestamp() + time.TimestampFrequency); // a second
    }

    /// <summary>Closes the idle connections of the pool that a connection comes from.</summary>
    public void Clear(NpgsqlConnection connection)
    {
        if (primary != null)
            primary.ClearPool();
        else
            NpgsqlConnection.ClearPool(connection);
    }

    bool IsDue(NpgsqlConnection connection) =>
        _lastUsed.TryRemove(connection.ProcessID, out var used) ? IsDue(used) : MustCheckAll;

    void Used(NpgsqlConnection connection)
    {
        if (connection.State != System.Data.ConnectionState.Open)
            return;
        if (_lastUsed.Count >= MaxKnown)
            _lastUsed.Clear(); // connections that were closed since; those that remain are checked after their next use
        _lastUsed[connection.ProcessID] = time.GetTimestamp();
    }
}
