namespace Saga.Simulation;

/// <summary>Which checks found a mutant.</summary>
/// <param name="Mutant">The guarantee that was off.</param>
/// <param name="ModelTime">The time until the models found it; null if they did not.</param>
/// <param name="Seed">The first seed of the simulation with a violation; null if there was none.</param>
/// <param name="SimulationTime">The time that the simulation took.</param>
/// <param name="Violation">The first violation of that seed.</param>
public sealed record MutantFinding(Mutant Mutant, TimeSpan? ModelTime, int? Seed, TimeSpan SimulationTime,
    string? Violation)
{
    /// <summary>Whether a model or the simulation found the mutant.</summary>
    public bool IsFound => ModelTime != null || Seed != null;
}
