using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Npgsql;

namespace Service.Defaults;

/// <summary>A host of <c>ConnectionStrings:Database</c>, with the connections to it.</summary>
[SuppressMessage("Reliability", "CA2000", Justification = "DisposeAsync disposes of what was created.")]
sealed class DatabaseServer(DatabaseConnections connections, string host) : IAsyncDisposable
{
    const string Timeline = """
        select case when not pg_is_in_recovery() and current_setting('default_transaction_read_only') = 'off'
            then left(pg_walfile_name(pg_current_wal_lsn()), 8) end
        """;

    static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(2), MaxAge = TimeSpan.FromSeconds(10);

    readonly Lazy<NpgsqlDataSource> _pool = new(() => connections.CreatePool(host)),
        _outsidePool = new(() => connections.CreateOutsidePool(host)),
        _probe = new(() => connections.CreateProbe(host));

    string? _address;
    long _asked; // timestamp
    Task<DatabaseRole>? _question;

    public string Host => host;

    /// <summary>As its connections call it, <see cref="NpgsqlConnection.DataSource" />.</summary>
    public string Address => _address ??= ReadAddress();

    /// <inheritdoc cref="PrimaryDatabase.Pool" />
    public NpgsqlDataSource Pool => _pool.Value;

    /// <inheritdoc cref="PrimaryDatabase.OutsidePool" />
    public NpgsqlDataSource OutsidePool => _outsidePool.Value;

    /// <inheritdoc cref="DatabaseConnections.CreatePlain" />
    public NpgsqlConnection CreatePlain() => connections.CreatePlain(host);

    /// <summary>Reads whether the server accepts writes, for two seconds at most.</summary>
    /// <remarks>
    /// A question that is not answered is waited for again, and repeated after ten seconds, on another connection. It
    /// is not cancelled: Npgsql would ask the server to cancel it, and wait for one that hangs.
    /// </remarks>
    public async Task<DatabaseRole> ReadRoleAsync(CancellationToken cancellationToken)
    {
        if (_question == null)
            (_question, _asked) = (QuestionAsync(), Stopwatch.GetTimestamp());
        try
        {
            var role = await _question.WaitAsync(MaxTime, cancellationToken);
            _question = null;
            return role;
        }
        catch (TimeoutException)
        {
            if (Stopwatch.GetElapsedTime(_asked) > MaxAge)
                _question = null; // a network that has lost it may work again
            return new DatabaseRole(null, "it does not respond") { Hangs = true };
        }
    }

    async Task<DatabaseRole> QuestionAsync()
    {
        try
        {
            await using var command = _probe.Value.CreateCommand(Timeline);
            command.CommandTimeout = 0;
            return await command.ExecuteScalarAsync(CancellationToken.None) is string timeline
                ? new DatabaseRole(timeline, "it accepts writes") : new DatabaseRole(null, "it refuses writes");
        }
        catch (Exception e) // another host may be the one
        {
            return new DatabaseRole(null, e.GetBaseException().Message)
            {
                Hangs = e is NpgsqlException { InnerException: TimeoutException },
            };
        }
    }

    string ReadAddress()
    {
        using var connection = Pool.CreateConnection();
        return connection.DataSource;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var source in new[] { _pool, _outsidePool, _probe }.Where(x => x.IsValueCreated))
            await source.Value.DisposeAsync();
    }
}
