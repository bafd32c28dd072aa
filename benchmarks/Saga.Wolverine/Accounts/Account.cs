namespace Saga.Wolverine;

/// <summary>An account.</summary>
public sealed class Account
{
    public Guid AccountId { get; init; }

    /// <summary>The funds that no order holds.</summary>
    public decimal Balance { get; init; }
}
