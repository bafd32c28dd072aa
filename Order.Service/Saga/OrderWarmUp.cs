using Contracts;
using Grpc.Core;
using MassTransit;
using Messaging.Postgres;
using Messaging.Postgres.Sagas;
using Service.Defaults;

namespace Orders;

/// <summary>An order's way, gone once before the first one comes.</summary>
static class OrderWarmUp
{
    /// <summary>Asks for an order that no account pays, and for one that there is not.</summary>
    public static readonly Func<CallInvoker, CallOptions, Task>[] Calls =
    [
        (service, options) => new V1.OrderService.OrderServiceClient(service).CreateOrderAsync(new V1.CreateOrderRequest { Items = { Item } }, options).ResponseAsync,
        (service, options) => new V1.OrderService.OrderServiceClient(service).GetOrderAsync(new V1.GetOrderRequest { OrderId = $"{Guid.Empty}" }, options).ResponseAsync,
    ];

    static V1.OrderItem Item => new() { Sku = "rehearsal", Quantity = 1, UnitPrice = new Google.Type.Money { CurrencyCode = "EUR", Units = 1 } };

    /// <summary>Submits an order, and has the funds of another one reserved; neither is stored.</summary>
    public static async Task RunAsync(WarmUp<OrderDbContext> rehearsal, CancellationToken cancellationToken)
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
