using System.Diagnostics;
using Orders.V1;
using Saga.Servers;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.EndToEnd.Environments;

/// <param name="isKilled">
/// Whether the first server is killed. Otherwise it is demoted without a restart, as some managed services do: it
/// refuses writes.
/// </param>
[TestFixture(true, Category = "E2E"), TestFixture(false, Category = "Long")]
public sealed class When_a_standby_is_promoted(bool isKilled) : StandbyFixture
{
    static readonly TimeSpan MaxFailoverTime = TimeSpan.FromSeconds(5);

    [Test]
    public async Task Should_place_the_first_order_within_seconds_and_leave_the_first_server()
    {
        var account = await OpenAccountAsync(100);
        var orders = await PlaceOrdersAsync(20, account);
        await AssertConfirmedAsync(orders);
        await WaitForBalancesAsync(account, available: 80, held: 0, captured: 20);

        // Order keeps a connection that listens, for as long as somebody watches.
        var pending = Guid.CreateVersion7();
        await ExecuteAsync(Primary, $"""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time,
                resend_time)
            values ('{pending}', 'Reserving', '{account}', '[]', 1, 'EUR', now(), now(), null)
            returning order_id
            """, System.OrderDatabase);
        using var watch = Orders.WatchOrder(new WatchOrderRequest { OrderId = $"{pending}" });
        Assert.That(await watch.ResponseStream.MoveNext(default), Is.True);
        if (!isKilled)
        {
            await ExecuteAsync(Primary, "alter system set default_transaction_read_only = on");
            await ExecuteAsync(Primary, "select pg_reload_conf()");
        }

        await WaitForStandbyAsync();
        if (isKilled)
            await Primary.StopAsync(Signal.Kill);
        await ExecuteAsync(Standby, "select pg_promote()");

        var promoted = Stopwatch.StartNew();
        var first = await RetryAsync(() => PlaceOrderAsync(account, 1));
        Assert.That(promoted.Elapsed, Is.LessThan(MaxFailoverTime));
        await AssertConfirmedAsync([first, .. await PlaceOrdersAsync(20, account)]);
        await WaitForBalancesAsync(account, available: 59, held: 0, captured: 41);
        if (isKilled)
            return;
        // Npgsql keeps asking every host for its state.
        await Wait.UntilAsync(() => QueryAsync<bool>(Primary, $"""
            select not exists (select from pg_stat_activity
                where usename in ('{System.OrderDatabase}', '{System.AccountDatabase}')
                    and query not ilike '%default_transaction_read_only%')
            """), MaxWait, () => "no connection to the demoted server that is used otherwise");
    }
}
