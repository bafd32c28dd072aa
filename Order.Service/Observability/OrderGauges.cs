using System.Diagnostics.Metrics;
using Messaging.Postgres;
using Messaging.Postgres.Observability;
using Service.Defaults;

namespace Orders;

/// <summary>Shows how many orders wait for Account, and for how long; those of all replicas.</summary>
sealed class OrderGauges : SampledGauges<IReadOnlyList<WaitingOrders>>
{
    /// <summary>After an upgrade, millions of older orders can wait for their first answer.</summary>
    const int MaxOrders = 100_000;

    // The indexes ix_orders_resend and, for orders that an older build has left, ix_orders_current_state_order_id.
    static readonly string Query = $"""
        select current_state, count(*), now() - min(update_time), min(resend_time) from (
            (select current_state, update_time, resend_time from orders
                where {OrderStateMap.AwaitingFilter} and resend_time >= $1 limit {MaxOrders})
            union all
            (select current_state, update_time, null from orders where current_state = 'Initial' limit {MaxOrders})
        ) as waiting group by current_state
        """;

    readonly PrimaryDatabase _database;
    readonly ScanStart _scan;
    readonly TimeProvider _time;

    public OrderGauges(PrimaryDatabase database, TimeProvider time, ILogger<OrderGauges> log)
        : base(OrderMetrics.MeterName, log)
    {
        (_database, _time, _scan) = (database, time, new ScanStart(time));
        AddGauge("order.waiting", "{order}", "Orders that wait for Account",
            orders => orders.Select(x => new Measurement<double>(x.Count, Label(x))));
        AddGauge("order.waiting.oldest.age", "s", "Time that the oldest order has waited in its state",
            orders => orders.Select(x => new Measurement<double>(x.OldestAge.TotalSeconds, Label(x))));
    }

    protected override Task<IReadOnlyList<WaitingOrders>> ReadAsync(CancellationToken cancellationToken) =>
        _scan.Scan(async from =>
        {
            var noneBefore = _time.GetUtcNow().UtcDateTime;
            var found = new Dictionary<string, WaitingOrders>();
            await using var command = _database.Pool.CreateCommand(Query);
            command.Parameters.Add(new() { Value = from });
            await using var row = await command.ExecuteReaderAsync(cancellationToken);
            while (await row.ReadAsync(cancellationToken))
            {
                var orders = new WaitingOrders(row.GetString(0), row.GetInt64(1), row.GetFieldValue<TimeSpan>(2));
                found.Add(orders.State, orders);
                if (!row.IsDBNull(3) && row.GetDateTime(3) < noneBefore)
                    noneBefore = row.GetDateTime(3);
            }

            // A state without orders is shown too, as zero.
            IReadOnlyList<WaitingOrders> all = [.. OrderStateMachine.Awaiting.Select(x => x.State).Union(found.Keys)
                .Select(x => found.GetValueOrDefault(x, new WaitingOrders(x, 0, TimeSpan.Zero)))];
            return (all, found.Values.Any(x => x.Count >= MaxOrders) ? (DateTime?)null : noneBefore);
        });

    static KeyValuePair<string, object?> Label(WaitingOrders orders) => new(OrderMetrics.State, orders.State);
}
