namespace Saga.Attack;

/// <summary>A fault that was injected and repaired.</summary>
/// <param name="Kind">The kind of the fault.</param>
/// <param name="At">The time of the injection, in seconds since the start of the attack.</param>
/// <param name="RepairedAt">The time of the repair.</param>
/// <param name="Recovery">
/// The time from when the system should serve again until it did; null if that timed out.
/// </param>
sealed record InjectedFault(string Kind, double At, double RepairedAt, TimeSpan? Recovery)
{
    /// <summary>How long the recovery may take; null for no limit.</summary>
    public TimeSpan? MaxRecovery { get; init; }

    /// <summary>Whether the recovery has taken longer than it may.</summary>
    public bool IsTooSlow => MaxRecovery is { } max && !(Recovery <= max);
}
