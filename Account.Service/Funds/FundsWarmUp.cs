using Contracts;
using MassTransit;
using Messaging.Postgres;

namespace Accounts;

/// <summary>An order's funds, held once before the first one asks.</summary>
static class FundsWarmUp
{
    /// <summary>Refuses funds of an account that is not there, and holds some of one that is there for that long; neither is stored.</summary>
    public static async Task RunAsync(WarmUp<AccountDbContext> rehearsal, CancellationToken cancellationToken)
    {
        var account = new Account(available: 1, held: 0, captured: 0)
        {
            AccountId = NewId.NextGuid(),
            Currency = "EUR",
            CreateTime = DateTime.UnixEpoch,
            UpdateTime = DateTime.UnixEpoch,
        };
        var reserve = new ReserveFunds(Guid.CreateVersion7(), account.AccountId, 1, account.Currency);
        await rehearsal.Consume<ReserveFundsConsumer, ReserveFunds>(reserve, null, cancellationToken);
        await rehearsal.Consume<ReserveFundsConsumer, ReserveFunds>(reserve, db => db.Add(account), cancellationToken);
    }
}
