using Google.Protobuf.WellKnownTypes;
using Operations.V1;
using Service.Defaults;

namespace Operations;

/// <summary>
/// The method GetOverview. Each source is read for itself, so that one that does not answer leaves out only its own
/// part.
/// </summary>
sealed class OverviewReader(ServiceClients services, QueueList queues, Broker broker,
    ReconciliationStore reconciliation, TimeProvider time)
{
    const int ShownIds = 2;

    static readonly Duration NoTime = new();

    /// <summary>Reads all sources.</summary>
    public async Task<Overview> ReadAsync(CancellationToken cancellationToken)
    {
        var (order, account) = (services.Messaging[0], services.Messaging[1]);
        var reads = (
            Orders: Source<Part<OrdersOverview>>.ReadAsync(order.Service, x => OrdersAsync(order.Client, x),
                cancellationToken),
            Holds: Source<Part<HoldsOverview>>.ReadAsync(account.Service, x => HoldsAsync(account.Client, x),
                cancellationToken),
            Mismatches: Source<Int64Value>.ReadAsync("the audit database", CountMismatchesAsync, cancellationToken));
        var (orders, holds, mismatches) = (await reads.Orders, await reads.Holds, await reads.Mismatches);
        IReadOnlyList<Queue> consumed = [.. orders.Value?.Queues ?? [], .. holds.Value?.Queues ?? []];
        var state = await Source<BrokerOverview>.ReadAsync("RabbitMQ", x => BrokerAsync(consumed, x),
            cancellationToken);

        var overview = new Overview
        {
            ReadTime = time.UtcNow().ToTimestamp(),
            Missing = { ((MissingSource?[])[orders.Missing, holds.Missing, state.Missing, mismatches.Missing])
                .OfType<MissingSource>() },
            Orders = orders.Value?.Overview,
            Holds = holds.Value?.Overview,
            Broker = state.Value,
        };
        if (mismatches.Value is { } count)
            overview.Mismatches = count.Value;
        overview.Problems.Add(OverviewProblems.Of(overview, consumed));
        return overview;
    }

    async Task<Part<OrdersOverview>> OrdersAsync(MessagingOperations.MessagingOperationsClient messaging,
        CancellationToken cancellationToken)
    {
        var rate = services.Orders.GetOrderRateAsync(new GetOrderRateRequest(), cancellationToken: cancellationToken);
        var waiting = services.Orders.ListStuckOrdersAsync(
            new ListStuckOrdersRequest { OlderThan = NoTime, MaxIds = ShownIds }, cancellationToken: cancellationToken);
        var stuck = services.Orders.ListStuckOrdersAsync(new ListStuckOrdersRequest { MaxIds = ShownIds },
            cancellationToken: cancellationToken);
        var outbox = messaging.GetOutboxAsync(new GetOutboxRequest(), cancellationToken: cancellationToken);
        var queues = messaging.ListQueuesAsync(new ListQueuesRequest(), cancellationToken: cancellationToken);
        return new([.. (await queues).Queues], new OrdersOverview
        {
            CreatedPerSecond = (await rate).Created,
            Waiting = { (await waiting).Groups },
            Stuck = { (await stuck).Groups },
            Outbox = await outbox,
        });
    }

    async Task<Part<HoldsOverview>> HoldsAsync(MessagingOperations.MessagingOperationsClient messaging,
        CancellationToken cancellationToken)
    {
        var waiting = services.Accounts.ListStuckHoldsAsync(
            new ListStuckHoldsRequest { OlderThan = NoTime, MaxIds = ShownIds }, cancellationToken: cancellationToken);
        var stuck = services.Accounts.ListStuckHoldsAsync(new ListStuckHoldsRequest { MaxIds = ShownIds },
            cancellationToken: cancellationToken);
        var outbox = messaging.GetOutboxAsync(new GetOutboxRequest(), cancellationToken: cancellationToken);
        var queues = messaging.ListQueuesAsync(new ListQueuesRequest(), cancellationToken: cancellationToken);
        return new([.. (await queues).Queues], new HoldsOverview
        {
            Waiting = { (await waiting).Groups },
            Stuck = { (await stuck).Groups },
            Outbox = await outbox,
        });
    }

    async Task<BrokerOverview> BrokerAsync(IReadOnlyList<Queue> consumed, CancellationToken cancellationToken)
    {
        var alarms = broker.ListAlarmsAsync(cancellationToken);
        var replicas = broker.ListReplicasAsync(cancellationToken);
        var counted = await queues.CountAsync(consumed, cancellationToken);
        return new BrokerOverview { Queues = { counted }, Alarms = { await alarms }, Replicas = { await replicas } };
    }

    async Task<Int64Value> CountMismatchesAsync(CancellationToken cancellationToken) =>
        new() { Value = (await reconciliation.CountAsync(cancellationToken)).Values.Sum() };

    /// <summary>The part of a service, with the queues that it consumes.</summary>
    sealed record Part<T>(IReadOnlyList<Queue> Queues, T Overview);
}
