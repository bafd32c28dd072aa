using Grpc.Core;
using Orders.V1;
using Wolverine.EntityFrameworkCore;

namespace Saga.Wolverine;

/// <summary>The part of the order API that a load calls. Requests are not validated.</summary>
sealed class OrderGrpcService(IDbContextOutbox<OrderContext> outbox) : OrderService.OrderServiceBase
{
    public override async Task<CreateOrderResponse> CreateOrder(CreateOrderRequest request, ServerCallContext context)
    {
        var order = new Order
        {
            OrderId = Guid.CreateVersion7(),
            AccountId = Guid.Parse(request.AccountId),
            Total = request.Items.Sum(x => x.Quantity * x.UnitPrice.DecimalValue),
            CreateTime = DateTime.UtcNow,
        };
        outbox.DbContext.Orders.Add(order);
        await outbox.PublishAsync(new ReserveFunds(order.OrderId, order.AccountId, order.Total));
        await outbox.SaveChangesAndFlushMessagesAsync();
        return new CreateOrderResponse { OrderId = order.OrderId.ToString() };
    }
}
