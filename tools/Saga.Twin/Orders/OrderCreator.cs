
namespace Saga.Twin;

/// <summary>
/// Commits new orders with their ReserveFunds messages; concurrent calls share a transaction. A failed
/// transaction ends the process.
/// </summary>
sealed class OrderCreator : BackgroundService
{
    const string InsertOrders = """
        with new_orders as materialized (
            select * from unnest($1, $2, $3, $4, $5) as n (order_id, account_id, total, message_id, body)),
        inserted as (
            insert into orders (order_id, account_id, total, current_state)
            select order_id, account_id, total, 'Pending' from new_orders)
        insert into outbox (message_id, queue, body)
        select message_id, $6, body from new_orders
        """;

    readonly Outbox _outbox;
    readonly Coalescer<NewOrder> _coalescer;
    Task _published = Task.CompletedTask;

    public OrderCreator(Outbox outbox) => (_outbox, _coalescer) = (outbox, new Coalescer<NewOrder>(CommitAsync));

    /// <summary>Creates an order; completes when it is committed.</summary>
    public Task CreateAsync(NewOrder order)
    {
        _coalescer.Add(order);
        return order.Committed.Task;
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => _coalescer.RunAsync(stoppingToken);

    async Task CommitAsync(IReadOnlyList<NewOrder> orders)
    {
        OutgoingMessage[] messages = [.. orders.Select(x => OutgoingMessage.Create(Queues.ReserveFunds,
            new ReserveFunds(x.OrderId, x.AccountId, x.Total), MessageJson.Default.ReserveFunds))];
        try
        {
            await _outbox.CommitAsync(Postgres.Statement(InsertOrders,
                orders.Select(x => x.OrderId).ToArray(), orders.Select(x => x.AccountId).ToArray(),
                orders.Select(x => x.Total).ToArray(), messages.Select(x => x.Id).ToArray(),
                messages.Select(x => x.Body).ToArray(), Queues.ReserveFunds));
        }
        catch (Exception e)
        {
            foreach (var order in orders)
                order.Committed.SetException(e);
            throw;
        }

        foreach (var order in orders)
            order.Committed.SetResult();
        await _published; // a failed publication ends the process
        _published = _outbox.PublishAsync(messages);
    }
}
