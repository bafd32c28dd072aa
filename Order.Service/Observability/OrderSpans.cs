using System.Diagnostics;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Service.Defaults;

namespace Orders;

/// <summary>Describes in spans what happens to an order.</summary>
static class OrderSpans
{
    static readonly ActivitySource Source = new(OrderMetrics.MeterName);

    /// <summary>An order has entered its current state.</summary>
    public static void Entered(OrderState order)
    {
        if (Activity.Current is { Recorded: true } span)
            span.SetTag(OrderMetrics.State, order.CurrentState).SetTag("order.reason", order.Reason?.ToString());
    }

    /// <summary>
    /// Starts the trace in which an order sends a command again. It has a link to the order's own trace while that is
    /// known.
    /// </summary>
    /// <param name="order">The order.</param>
    /// <param name="traces">The traces of orders, by the tokens of their timeouts.</param>
    public static Activity? StartResend(OrderState order, IReadOnlyDictionary<Guid, ActivityContext> traces)
    {
        if (!Source.HasListeners())
            return null;
        ActivityLink[] links = order.TimeoutToken is { } token && traces.TryGetValue(token, out var trace)
            ? [new ActivityLink(trace)] : [];
        var span = Source.StartActivity(ActivityKind.Internal, parentContext: default, links: links,
            name: $"resend {order.CurrentState}");
        span?.SetTag(OrderMetrics.State, order.CurrentState);
        OrderSpanTag.Set(order.CorrelationId);
        return span;
    }

    /// <summary>
    /// The traces of orders whose timeout is scheduled, by its token. An order's row does not have its trace, but the
    /// message of its timeout continues it.
    /// </summary>
    public static async Task<IReadOnlyDictionary<Guid, ActivityContext>> FindTracesAsync(OrderDbContext db,
        IEnumerable<OrderState> orders, CancellationToken cancellationToken)
    {
        if (!Source.HasListeners())
            return new Dictionary<Guid, ActivityContext>();
        Guid?[] tokens = [.. orders.Select(x => x.TimeoutToken).Where(x => x != null)];
        var scheduled = await db.Set<OutboxMessage>().AsNoTracking().Where(x => tokens.Contains(x.TokenId))
            .ToListAsync(cancellationToken);
        return scheduled.Where(x => x.Trace != default).DistinctBy(x => x.TokenId)
            .ToDictionary(x => x.TokenId!.Value, x => x.Trace);
    }
}
