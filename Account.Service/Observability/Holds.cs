namespace Accounts;

/// <summary>The reservations that hold funds and are neither captured nor released.</summary>
/// <param name="Count">Their number.</param>
/// <param name="OldestAge">The time since the oldest began; zero if there is none.</param>
sealed record Holds(long Count, TimeSpan OldestAge);
