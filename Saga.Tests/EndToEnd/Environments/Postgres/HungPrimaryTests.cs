using System.Diagnostics;
using Grpc.Core;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>
/// The machine of the primary hangs: its connections stay open, and nothing responds. Some seconds later the standby is
/// promoted.
/// </summary>
[TestFixture, Category("Long")]
public sealed class When_the_primary_hangs : StandbyFixture
{
    static readonly TimeSpan MaxFailoverTime = TimeSpan.FromSeconds(5);
    static readonly TimeSpan TimeToPromote = TimeSpan.FromSeconds(20); // as Patroni

    [Test]
    public async Task Should_confirm_the_first_order_within_seconds_of_the_promotion()
    {
        var account = await OpenAccountAsync(10_000);
        await AssertConfirmedAsync(await PlaceOrdersAsync(20, account));
        using var end = new CancellationTokenSource();
        var load = OfferAsync(account, end.Token); // so that both services are in the middle of their work
        await Task.Delay(TimeSpan.FromSeconds(2));
        await WaitForStandbyAsync();

        await Primary.PauseAsync();
        try
        {
            await Task.Delay(TimeToPromote);
            await ExecuteAsync(Standby, "select pg_promote()");
            var promoted = Stopwatch.StartNew();
            var first = await RetryAsync(() => PlaceOrderAsync(account, 1));
            var placed = promoted.Elapsed;
            await AssertConfirmedAsync([first]);

            Assert.That(promoted.Elapsed, Is.LessThan(MaxFailoverTime), $"placed after {placed.TotalSeconds:F1} s");
        }
        finally
        {
            await end.CancelAsync();
            await load;
            await Primary.StopAsync(Signal.Kill);
        }
    }

    async Task OfferAsync(string account, CancellationToken cancellationToken)
    {
        List<Task> calls = [];
        while (!cancellationToken.IsCancellationRequested)
        {
            calls.Add(TryPlaceAsync());
            await Task.Delay(30, CancellationToken.None);
        }

        await Task.WhenAll(calls);

        async Task TryPlaceAsync()
        {
            try
            {
                await PlaceOrderAsync(account, 1);
            }
            catch (RpcException)
            {
                // The database hangs.
            }
        }
    }
}
