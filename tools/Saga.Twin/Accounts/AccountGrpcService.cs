using Accounts.V1;
using Grpc.Core;
using Npgsql;

namespace Saga.Twin;

/// <summary>The part of the account API that a load calls. Requests are not validated.</summary>
sealed class AccountGrpcService(NpgsqlDataSource database) : AccountService.AccountServiceBase
{
    public override async Task<Account> OpenAccount(OpenAccountRequest request, ServerCallContext context)
    {
        var id = Guid.CreateVersion7();
        await ExecuteAsync("insert into accounts (account_id) values ($1)", id);
        return new Account { AccountId = id.ToString(), CurrencyCode = request.CurrencyCode };
    }

    public override async Task<Account> Deposit(DepositRequest request, ServerCallContext context)
    {
        await ExecuteAsync("""
            with credited as (
                update accounts set balance = balance + $2 where account_id = $1 returning account_id)
            insert into ledger_entries (account_id, kind, amount) select account_id, 'Deposit', $2 from credited
            """, Guid.Parse(request.AccountId), request.Amount.DecimalValue);
        return new Account { AccountId = request.AccountId, CurrencyCode = request.Amount.CurrencyCode };
    }

    async Task ExecuteAsync(string sql, params object[] values)
    {
        await using var connection = await database.OpenConnectionAsync();
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { Postgres.Statement(sql, values) } };
        await batch.ExecuteNonQueryAsync();
    }
}
