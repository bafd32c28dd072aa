namespace Saga.Attack;

/// <summary>A fault that was injected and repaired.</summary>
/// <param name="Kind">The kind of the fault.</param>
/// <param name="At">The time of the injection, in seconds since the start of the attack.</param>
/// <param name="RepairedAt">The time of the repair.</param>
/// <param name="Recovery">The time from the repair until the system served again; null if that timed out.</param>
sealed record InjectedFault(string Kind, double At, double RepairedAt, TimeSpan? Recovery);
