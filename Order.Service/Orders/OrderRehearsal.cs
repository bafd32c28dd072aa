using Contracts;
using MassTransit;
using Messaging.Postgres;
using Messaging.Postgres.Sagas;

namespace Orders;

/// <summary>An order's way, gone once before the first one comes.</summary>
static class OrderRehearsal
{
    /// <summary>Submits an order, and has the funds of another one reserved; neither is stored.</summary>
    public static async Task Play(Rehearsal<OrderDbContext> rehearsal, CancellationToken cancellationToken)
    {
        await rehearsal.Work(async services =>
        {
            var (order, machine) = (NewOrder("Initial"), services.GetRequiredService<OrderStateMachine>());
            services.GetRequiredService<OrderDbContext>().Add(order);
            await services.GetRequiredService<ISagaEvents<OrderState>>()
                .Raise(order, machine.OrderSubmitted, new OrderSubmitted(order.CorrelationId), cancellationToken);
        }, cancellationToken);
        var reserving = NewOrder("Reserving");
        await rehearsal.Consume<OrderState, FundsReserved>(new FundsReserved(reserving.CorrelationId), db => db.Add(reserving), cancellationToken);
    }

    static OrderState NewOrder(string state) => new()
    {
        CorrelationId = Guid.CreateVersion7(),
        CurrentState = state,
        AccountId = NewId.NextGuid(),
        Items = [new OrderLine("rehearsal", 1, 1)],
        Total = 1,
        Currency = "EUR",
        TimeoutToken = NewId.NextGuid(),
        CreateTime = DateTime.UnixEpoch,
        UpdateTime = DateTime.UnixEpoch,
    };
}
