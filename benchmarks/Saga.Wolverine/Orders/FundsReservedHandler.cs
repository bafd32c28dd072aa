using Microsoft.EntityFrameworkCore;

namespace Saga.Wolverine;

/// <summary>Confirms an order whose funds are reserved.</summary>
public static class FundsReservedHandler
{
    public static async Task<OrderConfirmed?> Handle(
        FundsReserved message, OrderContext db, ConfirmedOrders confirmed, CancellationToken cancellationToken)
    {
        var (pending, now) = (OrderContext.Pending, DateTime.UtcNow);
        var updated = await db.Orders.Where(x => x.OrderId == message.OrderId && x.CurrentState == pending)
            .ExecuteUpdateAsync(set => set.SetProperty(x => x.CurrentState, OrderContext.Confirmed)
                .SetProperty(x => x.ConfirmTime, now), cancellationToken);
        if (updated == 0)
            return null;
        confirmed.Add(message.OrderId);
        return new OrderConfirmed(message.OrderId);
    }
}
