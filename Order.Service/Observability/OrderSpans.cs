using System.Diagnostics;

namespace Orders;

/// <summary>Describes in the current span what happens to an order.</summary>
static class OrderSpans
{
    /// <summary>An order has entered its current state.</summary>
    public static void Entered(OrderState order)
    {
        if (Activity.Current is { Recorded: true } span)
            span.SetTag(OrderMetrics.State, order.CurrentState).SetTag("order.reason", order.Reason?.ToString());
    }
}
