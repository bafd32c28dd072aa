using System.Diagnostics.Metrics;

namespace Orders;

/// <summary>
/// The instruments of the meter <c>Order.Service</c>. A measurement allocates nothing. docs/operations.md explains
/// each.
/// </summary>
static class OrderMetrics
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Order.Service";

    /// <summary>The label with the state of an order.</summary>
    public const string State = "order.state";

    static readonly Meter Meter = new(MeterName);

    static readonly Histogram<double> Duration = Meter.CreateHistogram("order.duration", "s",
        "Time from the acceptance of an order to its terminal state", advice: new InstrumentAdvice<double>
        {
            HistogramBucketBoundaries = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600],
        });

    static readonly Counter<long> Transitions = Meter.CreateCounter<long>("order.transitions", "{transition}",
        "Orders that have entered a state");

    static readonly Counter<long> Resends = Meter.CreateCounter<long>("order.resends", "{command}",
        "Commands that were sent again because Account had not answered");

    static readonly Counter<long> Rejections = Meter.CreateCounter<long>("order.rejections", "{call}",
        "CreateOrder calls that admission control has rejected");

    static readonly Dictionary<OrderReason, KeyValuePair<string, object?>> Reasons =
        Enum.GetValues<OrderReason>().ToDictionary(x => x, x => Reason($"{x}"));

    static readonly KeyValuePair<string, object?> NoReason = Reason("None");

    /// <summary>An order has entered its current state, and that is committed.</summary>
    public static void Entered(OrderState order)
    {
        var state = new KeyValuePair<string, object?>(State, order.CurrentState);
        Transitions.Add(1, state);
        if (OrderMapping.ToStatus(order.CurrentState).IsTerminal())
            Duration.Record((order.UpdateTime - order.CreateTime).TotalSeconds, state,
                order.Reason is { } reason ? Reasons.GetValueOrDefault(reason, NoReason) : NoReason);
    }

    /// <summary>An order has sent the command of its state again.</summary>
    public static void Resent(string state) => Resends.Add(1, new KeyValuePair<string, object?>(State, state));

    /// <summary>A CreateOrder call is rejected.</summary>
    public static void Rejected(Rejection rejection) => Rejections.Add(1, rejection.Label);

    static KeyValuePair<string, object?> Reason(string name) => new("order.reason", name);
}
