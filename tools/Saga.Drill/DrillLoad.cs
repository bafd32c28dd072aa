using Accounts.V1;
using Grpc.Core;
using Orders.V1;
using Saga.Services;

namespace Saga.Drill;

/// <summary>
/// Places a few orders a second during the drill. A call that fails, because Order is down, is not repeated.
/// </summary>
/// <param name="system">The system.</param>
sealed class DrillLoad(OrderSystem system) : IAsyncDisposable
{
    const int Accounts = 10;
    const long Deposit = 1_000_000;

    static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);
    static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(10);

    readonly CancellationTokenSource _end = new();
    readonly SemaphoreSlim _turn = new(1);
    Task _running = Task.CompletedTask;

    /// <summary>How many orders were accepted.</summary>
    public int Accepted { get; private set; }

    /// <summary>Opens accounts and begins.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var accounts = new List<string>();
        for (var i = 0; i < Accounts; i++)
            accounts.Add(await OpenAccountAsync(system, Deposit, cancellationToken));
        _running = PlaceAsync(accounts, _end.Token);
    }

    /// <summary>Opens an account with funds.</summary>
    public static async Task<string> OpenAccountAsync(OrderSystem system, long euros,
        CancellationToken cancellationToken)
    {
        var account = await system.AccountClient.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" },
            cancellationToken: cancellationToken);
        await system.AccountClient.DepositAsync(new DepositRequest
        {
            AccountId = account.AccountId,
            Amount = Euros.Of(euros),
        }, cancellationToken: cancellationToken);
        return account.AccountId;
    }

    /// <summary>Places no orders until the result is disposed.</summary>
    public async Task<IDisposable> PauseAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        return new Paused(_turn);
    }

    async Task PlaceAsync(List<string> accounts, CancellationToken cancellationToken)
    {
        for (var i = 0; !cancellationToken.IsCancellationRequested; i++)
        {
            await _turn.WaitAsync(CancellationToken.None);
            try
            {
                await system.OrderClient.CreateOrderAsync(new CreateOrderRequest
                {
                    AccountId = accounts[i % accounts.Count],
                    Items = { new OrderItem { Sku = "drill", Quantity = 1, UnitPrice = Euros.Of(1) } },
                }, deadline: DateTime.UtcNow + CallTimeout, cancellationToken: cancellationToken);
                Accepted++;
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded
                or StatusCode.ResourceExhausted or StatusCode.Cancelled)
            {
                // Order is down or does not admit more orders; the audit finds what was accepted.
            }
            finally
            {
                _turn.Release();
            }

            await Task.Delay(Interval, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Ends the load.</summary>
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _running;
        _end.Dispose();
        _turn.Dispose();
    }

    sealed class Paused(SemaphoreSlim turn) : IDisposable
    {
        public void Dispose() => turn.Release();
    }
}
