using Google.Protobuf.WellKnownTypes;
using Service.Defaults;

namespace Orders;

/// <summary>Converts orders to the messages of the API.</summary>
static class OrderMapping
{
    /// <summary>Converts an order.</summary>
    public static V1.Order ToProto(this OrderState order) => new()
    {
        OrderId = order.CorrelationId.ToString(),
        AccountId = order.AccountId.ToString(),
        Items = { order.Items.Select(x => ToProto(x, order.Currency)) },
        Total = Money.ToProto(order.Total, order.Currency),
        Status = ToStatus(order.CurrentState),
        Reason = ToProto(order.Reason),
        CreateTime = order.CreateTime.ToTimestamp(),
        UpdateTime = order.UpdateTime.ToTimestamp(),
    };

    static V1.OrderItem ToProto(OrderLine line, string currency) =>
        new() { Sku = line.Sku, Quantity = line.Quantity, UnitPrice = Money.ToProto(line.UnitPrice, currency) };

    /// <summary>
    /// Converts a state of <see cref="OrderStateMachine" />. States of newer builds are UNSPECIFIED.
    /// </summary>
    public static V1.OrderStatus ToStatus(string state) => state switch
    {
        "Initial" or nameof(OrderStateMachine.Reserving) => V1.OrderStatus.Pending,
        nameof(OrderStateMachine.Cancelling) => V1.OrderStatus.Cancelling,
        nameof(OrderStateMachine.Confirmed) => V1.OrderStatus.Confirmed,
        nameof(OrderStateMachine.Rejected) => V1.OrderStatus.Rejected,
        nameof(OrderStateMachine.Cancelled) => V1.OrderStatus.Cancelled,
        _ => V1.OrderStatus.Unspecified,
    };

    /// <summary>Returns the states of <see cref="OrderStateMachine" /> that have this status.</summary>
    public static string[] ToStates(V1.OrderStatus status) => status switch
    {
        V1.OrderStatus.Pending => ["Initial", nameof(OrderStateMachine.Reserving)],
        V1.OrderStatus.Cancelling => [nameof(OrderStateMachine.Cancelling)],
        V1.OrderStatus.Confirmed => [nameof(OrderStateMachine.Confirmed)],
        V1.OrderStatus.Rejected => [nameof(OrderStateMachine.Rejected)],
        V1.OrderStatus.Cancelled => [nameof(OrderStateMachine.Cancelled)],
        _ => [],
    };

    /// <summary>Converts a reason; null and the reasons of newer builds are UNSPECIFIED.</summary>
    public static V1.OrderReason ToProto(OrderReason? reason) => reason switch
    {
        OrderReason.InsufficientFunds => V1.OrderReason.InsufficientFunds,
        OrderReason.AccountNotFound => V1.OrderReason.AccountNotFound,
        OrderReason.CurrencyMismatch => V1.OrderReason.CurrencyMismatch,
        OrderReason.TimedOut => V1.OrderReason.TimedOut,
        OrderReason.CancelledByClient => V1.OrderReason.CancelledByClient,
        OrderReason.CancelledByOperator => V1.OrderReason.CancelledByOperator,
        _ => V1.OrderReason.Unspecified,
    };

    /// <summary>Returns true if an order never leaves this status.</summary>
    public static bool IsTerminal(this V1.OrderStatus status) =>
        status is V1.OrderStatus.Confirmed or V1.OrderStatus.Rejected or V1.OrderStatus.Cancelled;
}
