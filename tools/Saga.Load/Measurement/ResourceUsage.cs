using Npgsql;

namespace Saga.Load;

/// <summary>
/// The resources that the system has used so far; the difference of two readings is the cost of a run.
/// </summary>
/// <param name="Commits">The transactions of both databases; null if the databases are unknown.</param>
/// <param name="CpuMilliseconds">The processor time, by part of the system.</param>
sealed record ResourceUsage(long? Commits, IReadOnlyDictionary<string, double> CpuMilliseconds)
{
    /// <summary>An idle PostgreSQL backend may report its statistics up to ten seconds late.</summary>
    static readonly TimeSpan StatisticsDelay = TimeSpan.FromSeconds(11);

    /// <summary>No usage is known.</summary>
    public static ResourceUsage None { get; } = new(null, new Dictionary<string, double>());

    /// <summary>Reads the usage before a run.</summary>
    public static async Task<ResourceUsage> ReadBeforeAsync(Target target, CancellationToken cancellationToken)
    {
        var commits = await CommitsAsync(target, cancellationToken);
        return new ResourceUsage(commits, ProcessStatistics.CpuMilliseconds(target.Services));
    }

    /// <summary>Reads the usage after a run. The delay of the statistics is excluded from the processor time.</summary>
    public static async Task<ResourceUsage> ReadAfterAsync(Target target, CancellationToken cancellationToken)
    {
        var cpu = ProcessStatistics.CpuMilliseconds(target.Services);
        return new ResourceUsage(await CommitsAsync(target, cancellationToken), cpu);
    }

    static async Task<long?> CommitsAsync(Target target, CancellationToken cancellationToken)
    {
        if (target.OrderDatabase == null || target.AccountDatabase == null)
            return null;
        await Task.Delay(StatisticsDelay, cancellationToken);
        return await CommitsAsync(target.OrderDatabase, cancellationToken)
            + await CommitsAsync(target.AccountDatabase, cancellationToken);
    }

    static async Task<long> CommitsAsync(string database, CancellationToken cancellationToken)
    {
        // The query runs in another database, so that it does not count itself.
        var connection = new NpgsqlConnectionStringBuilder(database);
        var name = connection.Database!;
        (connection.Database, connection.Pooling) = ("postgres", false);
        await using var source = NpgsqlDataSource.Create(connection.ConnectionString);
        await using var command = source.CreateCommand("select xact_commit from pg_stat_database where datname = $1");
        command.Parameters.AddWithValue(name);
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
