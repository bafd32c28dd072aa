namespace Messaging.Postgres;

/// <summary>
/// Lets fault tests kill the process between two steps, or skew its clock. Only a test assembly that is loaded into the
/// process can enable it: the services have no setting for it.
/// </summary>
static class FaultInjection
{
    static volatile int _suspended;

    /// <summary>Called when the process reaches a fault point, with the point's name; null in a service.</summary>
    public static Action<string>? Reached { get; set; }

    /// <summary>The process's clock.</summary>
    public static TimeProvider Clock { get; set; } = TimeProvider.System;

    /// <summary>Reports that the process has reached a fault point.</summary>
    public static void Reach(string faultPoint)
    {
        if (Reached != null && _suspended == 0)
            Reached(faultPoint);
    }

    /// <summary>Ignores fault points until the returned object is disposed: warm-ups do not count.</summary>
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

/// <summary>The points at which <see cref="FaultInjection" /> can kill the process.</summary>
static class FaultPoint
{
    public const string BeforeCommit = "before-commit";
    public const string AfterCommit = "after-commit";
    public const string AfterSend = "after-send";
    public const string InDispatch = "in-dispatch";
    public const string InRecovery = "in-recovery";
    public const string InScheduler = "in-scheduler";
    public const string InBatchSettlement = "in-batch-settlement";
}
