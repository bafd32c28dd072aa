using Grpc.Core;
using Orders.V1;

namespace Saga.Twin;

/// <summary>The part of the order API that a load calls. Requests are not validated.</summary>
sealed class OrderGrpcService(OrderCreator creator) : OrderService.OrderServiceBase
{
    public override async Task<CreateOrderResponse> CreateOrder(CreateOrderRequest request, ServerCallContext context)
    {
        var order = new NewOrder(Guid.Parse(request.AccountId),
            request.Items.Sum(x => x.Quantity * x.UnitPrice.DecimalValue));
        await creator.CreateAsync(order);
        return new CreateOrderResponse { OrderId = order.OrderId.ToString() };
    }
}
