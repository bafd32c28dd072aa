using Accounts.V1;
using Saga.Services;

namespace Saga.Load;

/// <summary>Opens the accounts of a load.</summary>
static class LoadAccounts
{
    const int MaxConcurrentCalls = 32;
    const long Deposit = 1_000_000_000;

    /// <summary>Opens accounts with enough funds for every order, or without funds.</summary>
    /// <returns>The accounts' ids.</returns>
    public static async Task<string[]> OpenAsync(Uri address, int count, bool hasFunds,
        CancellationToken cancellationToken)
    {
        using var channel = BearerCredentials.Connect(address);
        var client = new AccountService.AccountServiceClient(channel);
        var ids = new string[count];
        var options = new ParallelOptions
        {
            MaxDegreeOfParallelism = MaxConcurrentCalls,
            CancellationToken = cancellationToken,
        };
        await Parallel.ForAsync(0, ids.Length, options, async (i, token) =>
        {
            ids[i] = await OpenOneAsync(client, hasFunds, token);
        });
        return ids;
    }

    /// <summary>Opens one account.</summary>
    /// <returns>The account's id.</returns>
    public static async Task<string> OpenOneAsync(AccountService.AccountServiceClient client, bool hasFunds,
        CancellationToken cancellationToken)
    {
        var account = await client.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" },
            cancellationToken: cancellationToken);
        if (hasFunds)
        {
            var deposit = new DepositRequest { AccountId = account.AccountId, Amount = Euros.Of(Deposit) };
            await client.DepositAsync(deposit, cancellationToken: cancellationToken);
        }

        return account.AccountId;
    }
}
