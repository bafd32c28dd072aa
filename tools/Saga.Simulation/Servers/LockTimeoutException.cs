namespace Saga.Simulation;

/// <summary>A lock was not acquired in time.</summary>
sealed class LockTimeoutException() : Exception("a row is locked by another transaction");
