using Messaging.Postgres;
using Messaging.Postgres.Database;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Service.Defaults;

/// <summary>
/// The connections to the host of <c>ConnectionStrings:Database</c> that accepts writes. Which of several hosts that is
/// can change at any time, so take the connections from here for each use, and keep none of these.
/// </summary>
/// <remarks>
/// Npgsql can choose a host itself, but then each new connection waits for a host that hangs, because a timeout does
/// not count as its absence: all work would stand still as long as one standby does.
/// </remarks>
public sealed partial class PrimaryDatabase : IPrimaryServer, IAsyncDisposable
{
    /// <summary>A busy server can miss one question.</summary>
    const int MaxUnanswered = 2;

    readonly DatabaseServer[] _servers;
    readonly ILogger<PrimaryDatabase> _log;
    readonly LogLimit _missing = new();
    string _timeline = ""; // the latest that a host had
    volatile DatabaseServer _current;
    volatile int _unanswered; // how often in a row the current host has not said its role

    internal PrimaryDatabase(DatabaseConnections connections, ILogger<PrimaryDatabase> log)
    {
        _servers = [.. connections.Hosts.DefaultIfEmpty("").Select(x => new DatabaseServer(connections, x))];
        _current = _servers[0];
        _log = log;
    }

    /// <summary>The pool for all work that needs a connection for a short time.</summary>
    /// <exception cref="NpgsqlException">
    /// The last known primary of several hosts hangs, and no other host accepts writes. What began now would wait for
    /// it until its <c>Command Timeout</c>, even if another became the primary meanwhile.
    /// </exception>
    public NpgsqlDataSource Pool => Responding.Pool;

    /// <summary>
    /// Opens a connection of the pool for a caller who must not notice that connections were lost while they were idle:
    /// costs a round trip, for queries that are made seldom. A DbContext does so itself, and at less cost.
    /// </summary>
    /// <exception cref="NpgsqlException">As for <see cref="Pool" />, or the database cannot be reached.</exception>
    public async Task<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        var connection = await Pool.OpenConnectionAsync(cancellationToken);
        await IdleConnections.ReplaceLostAsync(connection, ClearPool, cancellationToken);
        return connection;
    }

    /// <summary>
    /// Connections outside the pool, for users that keep theirs for a long time, and so would make a small pool
    /// smaller. Each is opened for its user, and closed at the end.
    /// </summary>
    /// <exception cref="NpgsqlException">As for <see cref="Pool" />.</exception>
    public NpgsqlDataSource OutsidePool => Responding.OutsidePool;

    internal bool HasSeveralHosts => _servers.Length > 1;

    /// <summary>The pool of the last known primary, even if it hangs.</summary>
    internal NpgsqlDataSource LastPool => _current.Pool;

    DatabaseServer Responding => _unanswered < MaxUnanswered ? _current : throw new NpgsqlException(
        $"The database {_current.Host} hangs, and no other host accepts writes", new TimeoutException());

    /// <inheritdoc />
    public bool IsCurrent(NpgsqlConnection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        return !HasSeveralHosts || (_unanswered < MaxUnanswered && connection.DataSource == _current.Address);
    }

    /// <inheritdoc cref="DatabaseConnections.CreatePlain" />
    internal NpgsqlConnection CreatePlain() => _current.CreatePlain();

    /// <inheritdoc />
    public void ClearPool() => _current.Pool.Clear();

    /// <summary>
    /// Asks all hosts, if there are several, which of them accepts writes. If more than one does, an old primary has
    /// come back: it is one with an older timeline, and is not used even while the new one does not answer. If none
    /// does, the last primary stays.
    /// </summary>
    /// <returns>Whether one does; true if there is only one host, which is not asked.</returns>
    internal async Task<bool> FindAsync(CancellationToken cancellationToken)
    {
        if (!HasSeveralHosts)
            return true;
        var current = _current;
        var roles = await Task.WhenAll(_servers.Select(x => x.ReadRoleAsync(cancellationToken)));
        _unanswered = roles[Array.IndexOf(_servers, current)].Hangs ? _unanswered + 1 : 0;
        var (timeline, found) = roles.Zip(_servers, (role, server) => (role.Timeline, Server: server))
            .Where(x => string.CompareOrdinal(x.Timeline, _timeline) >= 0)
            .OrderByDescending(x => x.Timeline, StringComparer.Ordinal).ThenByDescending(x => x.Server == current)
            .FirstOrDefault();
        if (found == null)
        {
            if (_missing.IsDue(nameof(FindAsync), out _))
                LogMissing(string.Join("; ", _servers.Zip(roles, (x, role) => $"{x.Host}: {role.Description}")));
            return false;
        }

        if (_missing.HasEnded(out var duration))
            LogFound(found.Host, duration);
        _timeline = timeline!;
        if (found != current)
        {
            (_current, _unanswered) = (found, 0);
            current.Pool.Clear(); // also the connections that Minimum Pool Size keeps
            LogChanged(found.Host, current.Host);
        }

        return true;
    }

    /// <summary>Closes all connections.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
            await server.DisposeAsync();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "No host of ConnectionStrings:Database accepts writes. Orders "
        + "wait until one does; check that a standby was promoted: {Reasons}")]
    partial void LogMissing(string reasons);

    [LoggerMessage(Level = LogLevel.Information, Message = "The database {Host} accepts writes, after {Duration}")]
    partial void LogFound(string host, TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "The primary of the database is {Host} now. It was {Before} before, which is not used any more")]
    partial void LogChanged(string host, string before);
}
