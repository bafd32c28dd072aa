using Microsoft.EntityFrameworkCore;

namespace Saga.Wolverine;

/// <summary>Notes that the funds of an order are captured, so that nothing is left to do.</summary>
public static class FundsCapturedHandler
{
    public static Task Handle(FundsCaptured message, OrderContext db, CancellationToken cancellationToken)
    {
        var now = DateTime.UtcNow;
        return db.Orders.Where(x => x.OrderId == message.OrderId)
            .ExecuteUpdateAsync(set => set.SetProperty(x => x.CaptureTime, now), cancellationToken);
    }
}
