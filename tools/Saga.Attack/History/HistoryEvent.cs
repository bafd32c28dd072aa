namespace Saga.Attack;

/// <summary>A request with its outcome, or an injected fault.</summary>
/// <param name="At">Seconds since the start of the attack.</param>
/// <param name="Kind">One of the constants of this type.</param>
/// <param name="Outcome">The outcome.</param>
sealed record HistoryEvent(double At, string Kind, Outcome Outcome)
{
    public const string Create = "create", Cancel = "cancel", Deposit = "deposit", Read = "read", Fault = "fault";

    public string? RequestId { get; init; }
    public string? OrderId { get; init; }
    public string? AccountId { get; init; }
    public decimal? Amount { get; init; }
    public string? Status { get; init; }
    public string? Detail { get; init; }
}
