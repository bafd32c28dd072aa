using System.Text.Json;
using Saga.Services;

namespace Saga.Fuzz;

/// <summary>What must hold for the logs of the services, whatever clients have sent.</summary>
static class LogRules
{
    const int MaxShown = 600;

    /// <summary>The settings of services whose logs can be checked.</summary>
    public static readonly IReadOnlyDictionary<string, string> Settings = new Dictionary<string, string>
    {
        ["Logging__Console__FormatterName"] = "json",
    };

    /// <summary>The lines of a log with an error or an exception, and those that no logger has written.</summary>
    public static IEnumerable<string> FindFaults(ServiceReplica replica) =>
        File.ReadLines(replica.LogFile).Where(IsFault)
            .Select(x => $"log of {replica.Name}: {(x.Length <= MaxShown ? x : $"{x[..MaxShown]}…")}");

    static bool IsFault(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            return json.RootElement.GetProperty("LogLevel").GetString() is "Error" or "Critical"
                || json.RootElement.TryGetProperty("Exception", out _);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return true; // .NET writes an unhandled exception as text
        }
    }
}
