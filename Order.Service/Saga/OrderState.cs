using MassTransit;

namespace Orders;

/// <summary>An order, which is the saga's instance: one row, from the request to its end.</summary>
public sealed class OrderState : SagaStateMachineInstance
{
    /// <summary>The order's id, a UUID of version 7: later orders have greater ids.</summary>
    public Guid CorrelationId { get; set; }

    /// <summary>The name of the machine's state.</summary>
    public string CurrentState { get; set; } = "Initial";

    /// <summary>The account that pays.</summary>
    public required Guid AccountId { get; init; }

    /// <summary>What is ordered.</summary>
    public required IReadOnlyList<OrderLine> Items { get; init; }

    /// <summary>The sum over the items, in the currency's unit.</summary>
    public required decimal Total { get; init; }

    /// <summary>Three capital letters.</summary>
    public required string Currency { get; init; }

    /// <summary>What the caller named the request, or null.</summary>
    public Guid? RequestId { get; init; }

    /// <summary>Why the order did not, or will not, get confirmed.</summary>
    public OrderReason? Reason { get; set; }

    /// <summary>When the order was accepted.</summary>
    public required DateTime CreateTime { get; init; }

    /// <summary>When the order's status last changed.</summary>
    public required DateTime UpdateTime { get; set; }

    /// <summary>Names the timeout that is scheduled, so that an older one is told apart; null when none is.</summary>
    public Guid? TimeoutToken { get; set; }

    /// <summary>PostgreSQL's xmin: who changes an order that has changed since it was read, fails and reads again.</summary>
    public uint Version { get; init; }
}

/// <summary>One item of an order.</summary>
/// <param name="Sku">The article.</param>
/// <param name="Quantity">How many.</param>
/// <param name="UnitPrice">The price of one, in the order's currency.</param>
public sealed record OrderLine(string Sku, int Quantity, decimal UnitPrice);

/// <summary>Why an order did not get confirmed.</summary>
public enum OrderReason
{
    /// <summary>The account could not pay.</summary>
    InsufficientFunds = 1,

    /// <summary>There is no such account.</summary>
    AccountNotFound = 2,

    /// <summary>The account holds another currency.</summary>
    CurrencyMismatch = 3,

    /// <summary>The funds were not reserved in time.</summary>
    TimedOut = 4,

    /// <summary>The client gave it up.</summary>
    CancelledByClient = 5,
}
