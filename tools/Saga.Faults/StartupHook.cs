using System.Diagnostics;
using System.Globalization;
using Messaging.Postgres;
using Saga.Faults;

/// <summary>
/// .NET runs this hook before a program whose <c>DOTNET_STARTUP_HOOKS</c> names this assembly. No image contains it:
/// the attack and the end-to-end tests load it from the build output. The runtime requires this name and no namespace.
/// </summary>
static class StartupHook
{
    /// <summary>
    /// Reads <c>ORDERSAGA_FAULT_POINT</c> (<c>name:hit</c>: the process kills itself, as by SIGKILL, when it reaches
    /// the point the given number of times) and <c>ORDERSAGA_CLOCK_OFFSET</c> (the error of its clock, a time span).
    /// </summary>
    public static void Initialize()
    {
        if (Environment.GetEnvironmentVariable(FaultSettings.FaultPoint)?.Split(':') is [var name, var hit])
            KillAt(name, int.Parse(hit, CultureInfo.InvariantCulture));
        if (Environment.GetEnvironmentVariable(FaultSettings.ClockOffset) is { Length: > 0 } offset)
            FaultInjection.Clock = new SkewedTimeProvider(TimeSpan.Parse(offset, CultureInfo.InvariantCulture));
    }

    static void KillAt(string name, int hit)
    {
        var hits = 0;
        FaultInjection.Reached = reached =>
        {
            if (reached == name && Interlocked.Increment(ref hits) == hit)
                Process.GetCurrentProcess().Kill();
        };
    }
}
