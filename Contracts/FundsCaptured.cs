namespace Contracts;

/// <summary>
/// Event of Account: the funds of a confirmed order are captured. Replaced by <see cref="OrdersCaptured" /> between
/// current builds.
/// </summary>
/// <param name="OrderId">The order.</param>
public sealed record FundsCaptured(Guid OrderId);
