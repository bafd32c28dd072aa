using Accounts.V1;
using Grpc.Core;
using Microsoft.EntityFrameworkCore;

namespace Saga.Wolverine;

/// <summary>The part of the account API that a load calls. Requests are not validated.</summary>
sealed class AccountGrpcService(AccountContext db) : AccountService.AccountServiceBase
{
    public override async Task<Accounts.V1.Account> OpenAccount(
        OpenAccountRequest request, ServerCallContext context)
    {
        var account = new Account { AccountId = Guid.CreateVersion7() };
        db.Add(account);
        await db.SaveChangesAsync(context.CancellationToken);
        return new() { AccountId = account.AccountId.ToString(), CurrencyCode = request.CurrencyCode };
    }

    public override async Task<Accounts.V1.Account> Deposit(DepositRequest request, ServerCallContext context)
    {
        var (accountId, amount) = (Guid.Parse(request.AccountId), request.Amount.DecimalValue);
        await using var transaction = await db.Database.BeginTransactionAsync(context.CancellationToken);
        await db.Accounts.Where(x => x.AccountId == accountId).ExecuteUpdateAsync(
            set => set.SetProperty(x => x.Balance, x => x.Balance + amount), context.CancellationToken);
        db.Add(new LedgerEntry { AccountId = accountId, Kind = "Deposit", Amount = amount });
        await db.SaveChangesAsync(context.CancellationToken);
        await transaction.CommitAsync(context.CancellationToken);
        return new() { AccountId = request.AccountId, CurrencyCode = request.Amount.CurrencyCode };
    }
}
