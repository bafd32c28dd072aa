using Npgsql;

namespace Saga.Load;

/// <summary>
/// The resources that the system has used so far; the difference of two readings is the cost of a run.
/// </summary>
/// <param name="Databases">What both databases have done and store; null if they are unknown.</param>
/// <param name="CpuMilliseconds">The processor time, by part of the system.</param>
sealed record ResourceUsage(DatabaseUsage? Databases, IReadOnlyDictionary<string, double> CpuMilliseconds)
{
    /// <summary>An idle PostgreSQL backend may report its statistics up to ten seconds late.</summary>
    static readonly TimeSpan StatisticsDelay = TimeSpan.FromSeconds(11);

    /// <summary>No usage is known.</summary>
    public static ResourceUsage None { get; } = new(null, new Dictionary<string, double>());

    /// <summary>Reads the usage before a run.</summary>
    public static async Task<ResourceUsage> ReadBeforeAsync(Target target, CancellationToken cancellationToken)
    {
        var databases = await DatabasesAsync(target, cancellationToken);
        return new ResourceUsage(databases, ProcessStatistics.CpuMilliseconds(target.Services));
    }

    /// <summary>Reads the usage after a run. The delay of the statistics is excluded from the processor time.</summary>
    public static async Task<ResourceUsage> ReadAfterAsync(Target target, CancellationToken cancellationToken)
    {
        var cpu = ProcessStatistics.CpuMilliseconds(target.Services);
        return new ResourceUsage(await DatabasesAsync(target, cancellationToken), cpu);
    }

    static async Task<DatabaseUsage?> DatabasesAsync(Target target, CancellationToken cancellationToken)
    {
        if (target.OrderDatabase == null || target.AccountDatabase == null)
            return null;
        await Task.Delay(StatisticsDelay, cancellationToken);
        var orders = new NpgsqlConnectionStringBuilder(target.OrderDatabase);
        var accounts = new NpgsqlConnectionStringBuilder(target.AccountDatabase);
        var first = await ReadAsync(orders, cancellationToken);
        var second = await ReadAsync(accounts, cancellationToken);
        var shareServer = (orders.Host, orders.Port) == (accounts.Host, accounts.Port); // and so the log
        return new DatabaseUsage(first.Commits + second.Commits,
            shareServer ? second.LogBytes : first.LogBytes + second.LogBytes, first.DiskBytes + second.DiskBytes);
    }

    static async Task<DatabaseUsage> ReadAsync(
        NpgsqlConnectionStringBuilder database, CancellationToken cancellationToken)
    {
        // The query runs in another database, so that it does not count itself.
        var elsewhere = new NpgsqlConnectionStringBuilder(database.ConnectionString)
        {
            Database = "postgres",
            Pooling = false,
        };
        await using var source = NpgsqlDataSource.Create(elsewhere.ConnectionString);
        await using var command = source.CreateCommand("""
            select xact_commit, (pg_current_wal_insert_lsn() - '0/0')::bigint, pg_database_size(datname)
            from pg_stat_database where datname = $1
            """);
        command.Parameters.AddWithValue(database.Database!);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return new DatabaseUsage(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2));
    }
}
