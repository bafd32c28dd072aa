using System.Globalization;
using Npgsql;

namespace Saga.Load;

/// <summary>A reading of what the system has used up to now; the difference of two is what a run has cost.</summary>
/// <param name="Commits">Transactions of both databases, or null if they are not known.</param>
/// <param name="CpuMilliseconds">Processor time by part.</param>
sealed record Meters(long? Commits, IReadOnlyDictionary<string, double> CpuMilliseconds)
{
    const double TicksPerSecond = 100; // Linux's USER_HZ

    /// <summary>How long a server process may keep its counts to itself when it has nothing to do.</summary>
    static readonly TimeSpan StatisticsDelay = TimeSpan.FromSeconds(11);

    /// <summary>Nothing is known.</summary>
    public static Meters None { get; } = new(null, new Dictionary<string, double>());

    /// <summary>Before what is measured.</summary>
    public static async Task<Meters> BeginAsync(Target target, CancellationToken cancellationToken)
    {
        var commits = await CommitsAsync(target, cancellationToken);
        return new Meters(commits, Cpu(target.Services));
    }

    /// <summary>After what is measured. The wait counts for the commits, not for the processor time.</summary>
    public static async Task<Meters> EndAsync(Target target, CancellationToken cancellationToken)
    {
        var cpu = Cpu(target.Services);
        return new Meters(await CommitsAsync(target, cancellationToken), cpu);
    }

    static async Task<long?> CommitsAsync(Target target, CancellationToken cancellationToken)
    {
        if (target.OrderDatabase == null || target.AccountDatabase == null)
            return null;
        await Task.Delay(StatisticsDelay, cancellationToken);
        return await CommitsAsync(target.OrderDatabase, cancellationToken) + await CommitsAsync(target.AccountDatabase, cancellationToken);
    }

    static async Task<long> CommitsAsync(string database, CancellationToken cancellationToken)
    {
        // Asked from another database, so that the question does not count itself.
        var name = new NpgsqlConnectionStringBuilder(database);
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database) { Database = "postgres", Pooling = false }.ConnectionString);
        await using var command = source.CreateCommand("select xact_commit from pg_stat_database where datname = $1");
        command.Parameters.AddWithValue(name.Database!);
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Of the load alone, if the services are somebody else's: their servers may be on other machines.</summary>
    static Dictionary<string, double> Cpu(IReadOnlyDictionary<string, int> services)
    {
        string[] parts = services.Count > 0 ? ["services", "postgres", "rabbitmq", "load"] : ["load"];
        var used = parts.ToDictionary(x => x, _ => 0.0);
        foreach (var folder in Directory.GetDirectories("/proc"))
            if (int.TryParse(Path.GetFileName(folder), out var id) && Stat(folder) is { } stat)
            {
                var part = id == Environment.ProcessId ? "load"
                    : services.Values.Contains(id) ? "services"
                    : stat.Name == "postgres" ? "postgres"
                    : stat.Name.StartsWith("beam", StringComparison.Ordinal) ? "rabbitmq"
                    : null;
                if (part != null && used.ContainsKey(part))
                    used[part] += (part == "postgres" ? stat.WithEndedChildren : stat.Own) * 1000 / TicksPerSecond;
            }

        return used;
    }

    static (string Name, double Own, double WithEndedChildren)? Stat(string folder)
    {
        try
        {
            var text = File.ReadAllText(Path.Combine(folder, "stat"));
            var name = text[(text.IndexOf('(') + 1)..text.LastIndexOf(')')];
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            double Ticks(int index) => double.Parse(fields[index], CultureInfo.InvariantCulture);
            return (name, Ticks(11) + Ticks(12), Ticks(11) + Ticks(12) + Ticks(13) + Ticks(14));
        }
        catch (IOException)
        {
            return null; // it has ended meanwhile
        }
    }

    /// <summary>A process's resident memory, in MB.</summary>
    public static double MemoryMegabytes(int processId)
    {
        var line = File.ReadLines($"/proc/{processId}/status").First(x => x.StartsWith("VmRSS:", StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }
}
