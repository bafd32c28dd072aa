using System.Globalization;

namespace Saga.Faults;

/// <summary>The environment that makes a service process load <c>StartupHook</c>, and what that is to do.</summary>
public static class FaultSettings
{
    internal const string FaultPoint = "ORDERSAGA_FAULT_POINT";
    internal const string ClockOffset = "ORDERSAGA_CLOCK_OFFSET";

    /// <summary>The process kills itself when it reaches a fault point.</summary>
    /// <param name="name">The name of the point, as in <c>FaultPoint</c> of Messaging.Postgres.</param>
    /// <param name="hit">Which time it reaches the point, from 1.</param>
    public static IReadOnlyDictionary<string, string> KillAt(string name, int hit) =>
        With(FaultPoint, string.Create(CultureInfo.InvariantCulture, $"{name}:{hit}"));

    /// <summary>The process's clock is wrong by a constant.</summary>
    public static IReadOnlyDictionary<string, string> SkewClock(TimeSpan offset) => With(ClockOffset, offset.ToString("c"));

    static Dictionary<string, string> With(string name, string value) => new()
    {
        ["DOTNET_STARTUP_HOOKS"] = typeof(FaultSettings).Assembly.Location,
        [name] = value,
    };
}
