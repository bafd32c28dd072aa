using Microsoft.EntityFrameworkCore;

namespace Saga.Wolverine;

/// <summary>Captures the reservation of a confirmed order.</summary>
public static class OrderConfirmedHandler
{
    public static async Task<FundsCaptured> Handle(
        OrderConfirmed message, AccountContext db, CancellationToken cancellationToken)
    {
        var reservation = await db.Reservations.SingleAsync(x => x.OrderId == message.OrderId, cancellationToken);
        if (reservation.Status == AccountContext.Held)
        {
            (reservation.Status, reservation.UpdateTime) = (AccountContext.Captured, DateTime.UtcNow);
            db.Add(new LedgerEntry
            {
                AccountId = reservation.AccountId,
                OrderId = reservation.OrderId,
                Kind = "Capture",
                Amount = reservation.Amount,
            });
        }

        return new FundsCaptured(message.OrderId);
    }
}
