using Contracts;
using MassTransit;
using Messaging.Postgres;

namespace Accounts;

/// <summary>Reserves funds once, so that the first real order does not wait for the JIT compiler.</summary>
static class FundsWarmUp
{
    /// <summary>Rejects a reservation on an unknown account, and makes one on a known one. Neither is stored.</summary>
    public static async Task RunAsync(WarmUp<AccountDbContext> warmUp, CancellationToken cancellationToken)
    {
        var account = new Account(available: 1, held: 0, captured: 0)
        {
            AccountId = NewId.NextGuid(),
            Currency = "EUR",
            CreateTime = DateTime.UnixEpoch,
            UpdateTime = DateTime.UnixEpoch,
        };
        var reserve = new ReserveFunds(Guid.CreateVersion7(), account.AccountId, 1, account.Currency);
        await warmUp.Consume<ReserveFundsConsumer, ReserveFunds>(reserve, null, cancellationToken);
        await warmUp.Consume<ReserveFundsConsumer, ReserveFunds>(reserve, db => db.Add(account), cancellationToken);
    }
}
