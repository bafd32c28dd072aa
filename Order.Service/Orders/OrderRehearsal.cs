using Contracts;
using MassTransit;
using Messaging.Postgres;
using Messaging.Postgres.Sagas;
using Service.Defaults;

namespace Orders;

/// <summary>An order's way, gone once before the first one comes.</summary>
static class OrderRehearsal
{
    /// <summary>Submits an order, and has the funds of another one reserved; neither is stored.</summary>
    public static async Task Play(Rehearsal<OrderDbContext> rehearsal, CancellationToken cancellationToken)
    {
        await rehearsal.Work(async services =>
        {
            var (order, machine) = (Order(), services.GetRequiredService<OrderStateMachine>());
            services.GetRequiredService<OrderDbContext>().Add(order);
            await services.GetRequiredService<ISagaEvents<OrderState>>()
                .Raise(order, machine.OrderSubmitted, new OrderSubmitted(order.CorrelationId), cancellationToken);
        }, cancellationToken);
        var reserving = Order();
        (reserving.CurrentState, reserving.TimeoutToken) = (nameof(OrderStateMachine.Reserving), NewId.NextGuid());
        await rehearsal.Consume<OrderState, FundsReserved>(new FundsReserved(reserving.CorrelationId), db => db.Add(reserving), cancellationToken);
    }

    static OrderState Order() => new NewOrder(NewId.NextGuid(), [new OrderLine("rehearsal", 1, 1)], new Money(1, "EUR"), null).ToOrder(DateTime.UnixEpoch);
}
