using Contracts;
using Grpc.Core;
using MassTransit;
using Messaging.Postgres;
using Messaging.Postgres.Sagas;
using Orders.V1;
using Service.Defaults;

namespace Orders;

/// <summary>Runs the code of an order once, so that the first real order does not wait for the JIT compiler.</summary>
static class OrderWarmUp
{
    /// <summary>Calls that the service rejects: an order without an account, and an unknown order.</summary>
    public static readonly Func<CallInvoker, CallOptions, Task>[] Calls =
    [
        (service, options) => new OrderService.OrderServiceClient(service)
            .CreateOrderAsync(new CreateOrderRequest { Items = { Item } }, options).ResponseAsync,
        (service, options) => new OrderService.OrderServiceClient(service)
            .GetOrderAsync(new GetOrderRequest { OrderId = $"{Guid.Empty}" }, options).ResponseAsync,
    ];

    static OrderItem Item =>
        new() { Sku = "warm-up", Quantity = 1, UnitPrice = new Google.Type.Money { CurrencyCode = "EUR", Units = 1 } };

    /// <summary>Submits one order and confirms another. Neither is stored.</summary>
    public static async Task RunAsync(WarmUp<OrderDbContext> warmUp, CancellationToken cancellationToken)
    {
        await warmUp.Work(async services =>
        {
            var (order, machine) = (NewOrderState(), services.GetRequiredService<OrderStateMachine>());
            services.GetRequiredService<OrderDbContext>().Add(order);
            await services.GetRequiredService<ISagaEvents<OrderState>>()
                .Raise(order, machine.OrderSubmitted, new OrderSubmitted(order.CorrelationId), cancellationToken);
        }, cancellationToken);

        var reserving = NewOrderState();
        reserving.CurrentState = nameof(OrderStateMachine.Reserving);
        reserving.TimeoutToken = NewId.NextGuid();
        await warmUp.Consume<OrderState, FundsReserved>(
            new FundsReserved(reserving.CorrelationId), db => db.Add(reserving), cancellationToken);
    }

    static OrderState NewOrderState() =>
        new NewOrder(NewId.NextGuid(), [new OrderLine("warm-up", 1, 1)], new Money(1, "EUR"), null, Caller.Anybody)
            .ToOrder(DateTime.UnixEpoch);
}
