using System.Globalization;

namespace Saga.Faults;

/// <summary>
/// The environment variables by which a service process loads <c>StartupHook</c> and injects a fault.
/// </summary>
public static class FaultSettings
{
    internal const string FaultPoint = "ORDERSAGA_FAULT_POINT";
    internal const string ClockOffset = "ORDERSAGA_CLOCK_OFFSET";

    /// <summary>Makes the process kill itself when it reaches a fault point.</summary>
    /// <param name="name">The name of the point, as in <c>FaultPoint</c> of Messaging.Postgres.</param>
    /// <param name="hit">The number of the hit that kills, from 1.</param>
    public static IReadOnlyDictionary<string, string> KillAt(string name, int hit) =>
        With(FaultPoint, string.Create(CultureInfo.InvariantCulture, $"{name}:{hit}"));

    /// <summary>Makes the process's clock wrong by a constant.</summary>
    public static IReadOnlyDictionary<string, string> SkewClock(TimeSpan offset) =>
        With(ClockOffset, offset.ToString("c"));

    static Dictionary<string, string> With(string name, string value) => new()
    {
        ["DOTNET_STARTUP_HOOKS"] = typeof(FaultSettings).Assembly.Location,
        [name] = value,
    };
}
