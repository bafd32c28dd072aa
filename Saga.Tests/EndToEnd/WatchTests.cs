using Grpc.Core;
using Npgsql;
using Orders.V1;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_an_order_is_watched : SystemFixture
{
    [TearDown]
    public async Task AuditEachAsync() => await AuditAsync();

    [Test]
    public async Task Should_stream_every_change_to_a_watcher() => Assert.That(await WatchAsync(cancel: true),
        Is.EqualTo(new[] { OrderStatus.Pending, OrderStatus.Cancelling, OrderStatus.Cancelled }));

    [Test, Category("Long")]
    public async Task Should_listen_again_for_a_watcher_after_a_time_without_watchers()
    {
        OrderStatus[] expected = [OrderStatus.Pending, OrderStatus.Confirmed];
        Assert.That(await WatchAsync(cancel: false), Is.EqualTo(expected));
        await using var database = NpgsqlDataSource.Create(System.Servers.Postgres.Admin(System.OrderDatabase));
        await using var listeners = database.CreateCommand("""
            select count(*) from pg_stat_activity
            where datname = current_database() and query = 'listen order_changed'
            """);
        Assert.That(await listeners.ExecuteScalarAsync(), Is.EqualTo(1));
        await Wait.UntilAsync(async () => (long)(await listeners.ExecuteScalarAsync())! == 0, MaxWait,
            () => "the service to stop listening");
        Assert.That(await WatchAsync(cancel: false), Is.EqualTo(expected));
    }

    [Test]
    public async Task Should_need_no_connection_to_the_database_while_it_waits()
    {
        var account = await OpenAccountAsync(100);
        SendToAccounts(Signal.Stop);
        var watches = new List<AsyncServerStreamingCall<Order>>();
        var used = new List<double>();
        try
        {
            for (var i = 0; i < 20; i++)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200));
                watches.Add(Orders.WatchOrder(new WatchOrderRequest { OrderId = await PlaceOrderAsync(account, 1) }));
                await watches[^1].ResponseStream.MoveNext(default);
                used.Add((await Scrape.ReadAsync(System.Orders[0])).Sum("db_client_connection_count",
                    ("db_client_connection_state", "used")));
            }
        }
        finally
        {
            SendToAccounts(Signal.Continue);
            watches.ForEach(x => x.Dispose());
        }

        // Other work may need connections, but streams that keep theirs would do so in each of these samples.
        Assert.That(used[10..], Has.Some.LessThan(10), string.Join(' ', used));
    }

    /// <summary>
    /// Returns the statuses that a watcher receives. Account is paused when the order is placed, and resumes when the
    /// watcher has its status, and if the order is to be cancelled, that of its cancellation.
    /// </summary>
    async Task<List<OrderStatus>> WatchAsync(bool cancel)
    {
        var account = await OpenAccountAsync(100);
        SendToAccounts(Signal.Stop);
        var seen = new List<OrderStatus>();
        try
        {
            var request = new WatchOrderRequest { OrderId = await PlaceOrderAsync(account, 10) };
            using var watch = Orders.WatchOrder(request, deadline: DateTime.UtcNow + MaxWait);
            while (await watch.ResponseStream.MoveNext(default))
            {
                seen.Add(watch.ResponseStream.Current.Status);
                if (cancel && seen.Count == 1)
                    await Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = request.OrderId });
                else
                    SendToAccounts(Signal.Continue);
            }
        }
        finally
        {
            SendToAccounts(Signal.Continue);
        }

        return seen;
    }

    void SendToAccounts(Signal signal)
    {
        foreach (var replica in System.Accounts)
            replica.Send(signal);
    }
}
