using System.Diagnostics;
using System.Globalization;

namespace Saga.Load;

/// <summary>Reads the statistics of processes.</summary>
static class ProcessStatistics
{
    const double TicksPerSecond = 100; // Linux's USER_HZ

    /// <summary>The processor time of all processes in milliseconds, by part of the system.</summary>
    /// <param name="services">The services' process ids. Without them only the load's own time is known, because the
    /// servers may run on other machines.</param>
    public static Dictionary<string, double> CpuMilliseconds(IReadOnlyDictionary<string, int> services)
    {
        string[] parts = services.Count > 0 ? ["services", "postgres", "rabbitmq", "load"] : ["load"];
        var used = parts.ToDictionary(x => x, _ => 0.0);
        foreach (var folder in Directory.GetDirectories("/proc"))
            if (int.TryParse(Path.GetFileName(folder), out var id) && ReadCpu(folder) is { } cpu)
            {
                var part = id == Environment.ProcessId ? "load"
                    : services.Values.Contains(id) ? "services"
                    : cpu.Name == "postgres" ? "postgres"
                    : cpu.Name.StartsWith("beam", StringComparison.Ordinal) ? "rabbitmq"
                    : null;
                if (part != null && used.ContainsKey(part))
                    used[part] += (part == "postgres" ? cpu.WithExitedChildren : cpu.Own) * 1000 / TicksPerSecond;
            }

        return used;
    }

    /// <summary>The resident memory of a process, in MB.</summary>
    public static double MemoryMegabytes(int processId)
    {
        using var process = Process.GetProcessById(processId);
        return process.WorkingSet64 / (1024.0 * 1024);
    }

    static (string Name, double Own, double WithExitedChildren)? ReadCpu(string folder)
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
            return null; // the process has exited meanwhile
        }
    }
}
