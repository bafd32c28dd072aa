namespace Saga.Simulation;

/// <summary>A concurrent transaction changed the row, or holds the unique key.</summary>
sealed class ConflictException(string reason) : Exception(reason);
