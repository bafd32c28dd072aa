namespace Saga.Simulation;

/// <summary>The result of one seed.</summary>
/// <param name="Seed">The seed.</param>
/// <param name="Violations">The violated invariants, at most 20; empty if all hold.</param>
/// <param name="Steps">The number of steps.</param>
/// <param name="Outcomes">The number of orders by their final state.</param>
public sealed record SimulationResult(int Seed, IReadOnlyList<string> Violations, int Steps,
    IReadOnlyDictionary<string, int> Outcomes);
