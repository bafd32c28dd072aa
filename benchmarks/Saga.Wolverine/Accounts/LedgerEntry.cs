namespace Saga.Wolverine;

/// <summary>A change of an account.</summary>
public sealed class LedgerEntry
{
    public long EntryId { get; init; }
    public Guid AccountId { get; init; }

    /// <summary>The order; null for a deposit.</summary>
    public Guid? OrderId { get; init; }

    /// <summary>Deposit, Hold or Capture.</summary>
    public required string Kind { get; init; }

    public decimal Amount { get; init; }
    public DateTime CreateTime { get; init; } = DateTime.UtcNow;
}
