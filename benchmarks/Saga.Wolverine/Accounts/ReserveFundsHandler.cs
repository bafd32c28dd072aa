using Microsoft.EntityFrameworkCore;

namespace Saga.Wolverine;

/// <summary>Debits an account and holds the amount. An account without the funds fails the transaction.</summary>
public static class ReserveFundsHandler
{
    public static async Task<FundsReserved> Handle(
        ReserveFunds message, AccountContext db, CancellationToken cancellationToken)
    {
        // One statement locks, checks and changes the account.
        await db.Accounts.Where(x => x.AccountId == message.AccountId).ExecuteUpdateAsync(
            set => set.SetProperty(x => x.Balance, x => x.Balance - message.Amount), cancellationToken);
        var now = DateTime.UtcNow;
        db.Add(new Reservation
        {
            OrderId = message.OrderId,
            AccountId = message.AccountId,
            Amount = message.Amount,
            CreateTime = now,
            UpdateTime = now,
        });
        db.Add(new LedgerEntry
        {
            AccountId = message.AccountId,
            OrderId = message.OrderId,
            Kind = "Hold",
            Amount = message.Amount,
        });
        return new FundsReserved(message.OrderId);
    }
}
