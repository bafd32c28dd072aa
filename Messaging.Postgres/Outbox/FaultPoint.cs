using System.Diagnostics;
using System.Globalization;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Named places between two steps where an attack has the process end itself, as by kill -9. Armed by the environment
/// variable <c>ORDERSAGA_FAULT_POINT</c> (<c>name:hit</c>) when the process starts, and by nothing else; unarmed, a place
/// costs a look at a constant.
/// </summary>
static class FaultPoint
{
    public const string BeforeCommit = "before-commit", AfterCommit = "after-commit", AfterSend = "after-send",
        InRelay = "in-relay", InRecovery = "in-recovery", InScheduler = "in-scheduler";

    static readonly string? Armed;
    static readonly int Hit;
    static int _hits;
    static volatile bool _disarmed;

    static FaultPoint()
    {
        if (Environment.GetEnvironmentVariable("ORDERSAGA_FAULT_POINT")?.Split(':') is [var name, var hit])
            (Armed, Hit) = (name, int.Parse(hit, CultureInfo.InvariantCulture));
    }

    public static void Reach(string name)
    {
        if (Armed != null && !_disarmed && Armed == name && Interlocked.Increment(ref _hits) == Hit)
            Process.GetCurrentProcess().Kill();
    }

    /// <summary>No place counts until what this returns is disposed.</summary>
    public static IDisposable Disarm()
    {
        _disarmed = true;
        return new Rearm();
    }

    sealed class Rearm : IDisposable
    {
        public void Dispose() => _disarmed = false;
    }
}
