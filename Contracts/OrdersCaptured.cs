namespace Contracts;

/// <summary>
/// Event of Account: the funds of confirmed orders are captured. One event answers for all orders whose funds were
/// captured by the same commit.
/// </summary>
/// <param name="OrderIds">The orders, each once.</param>
public sealed record OrdersCaptured(IReadOnlyList<Guid> OrderIds);
