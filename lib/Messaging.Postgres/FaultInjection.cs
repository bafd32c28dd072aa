namespace Messaging.Postgres;

/// <summary>
/// The seam by which a fault test kills a process between two steps, or gives it a wrong clock. Only an assembly that
/// tests load into the process sets it: no setting and no environment variable of a service does.
/// </summary>
static class FaultInjection
{
    static volatile int _suspended;

    /// <summary>Called when the process reaches a fault point, with the point's name; null in a service.</summary>
    public static Action<string>? Reached { get; set; }

    /// <summary>The process's clock.</summary>
    public static TimeProvider Clock { get; set; } = TimeProvider.System;

    /// <summary>Reports that the process has reached a place between two steps.</summary>
    public static void Reach(string faultPoint)
    {
        if (Reached != null && _suspended == 0)
            Reached(faultPoint);
    }

    /// <summary>Ignores fault points until the returned object is disposed: a warm-up is no traffic.</summary>
    public static IDisposable Suspend()
    {
        Interlocked.Increment(ref _suspended);
        return new Suspension();
    }

    sealed class Suspension : IDisposable
    {
        public void Dispose() => Interlocked.Decrement(ref _suspended);
    }
}

/// <summary>The places where <see cref="FaultInjection" /> can strike.</summary>
static class FaultPoint
{
    public const string BeforeCommit = "before-commit";
    public const string AfterCommit = "after-commit";
    public const string AfterSend = "after-send";
    public const string InRelay = "in-relay";
    public const string InRecovery = "in-recovery";
    public const string InScheduler = "in-scheduler";
}
