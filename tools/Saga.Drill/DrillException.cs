namespace Saga.Drill;

/// <summary>A step of the drill has failed; the message says which and how.</summary>
sealed class DrillException(string message) : Exception(message);
