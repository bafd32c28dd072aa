using Orders.V1;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture, Category("E2E")]
public sealed class When_watchers_are_notified : SystemFixture
{
    protected override OrderSystemOptions Options => new() { OrderReplicas = 2 };

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        // Only a notification shows a change in time.
        ["Watch__RereadInterval"] = "00:10:00",
        ["Watch__MaxSilence"] = "00:10:00",
    };

    [Test]
    public async Task Should_show_the_watchers_of_a_replica_the_changes_of_another()
    {
        var account = await OpenAccountAsync(10);
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            for (var i = 0; i < 5; i++)
            {
                var order = await PlaceOrderAsync(account, 1);
                using var watch = new OrderService.OrderServiceClient(System.Orders[1].Channel).WatchOrder(
                    new WatchOrderRequest { OrderId = order }, deadline: DateTime.UtcNow + MaxWait);
                await watch.ResponseStream.MoveNext(default);
                await Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = order });
                await watch.ResponseStream.MoveNext(default);
                Assert.That(watch.ResponseStream.Current.Status, Is.EqualTo(OrderStatus.Cancelling));
            }
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }

        await AuditAsync();
    }
}

[TestFixture, Category("E2E")]
public sealed class When_notifications_fail : EnvironmentFixture
{
    protected override OrderSystemOptions Options => base.Options with { OrderReplicas = 2 };

    static IEnumerable<TestCaseData> Failures()
    {
        static TestCaseData Case(string sqlState, string fail, string mend, string reason) =>
            new TestCaseData(fail, mend, reason).SetArgDisplayNames(sqlState);
        yield return Case("42501", "revoke execute on function pg_notify(text, text) from public",
            "grant execute on function pg_notify(text, text) to public", "permission denied");
        // The error of a full NOTIFY queue, which it would take eight gigabytes to fill.
        yield return Case("54000", """
            alter function pg_catalog.pg_notify(text, text) rename to pg_notify_with_space;
            create function pg_catalog.pg_notify(text, text) returns void language plpgsql as $$
            begin
                raise 'too many notifications in the NOTIFY queue' using errcode = '54000';
            end $$
            """, """
            drop function pg_catalog.pg_notify(text, text);
            alter function pg_catalog.pg_notify_with_space(text, text) rename to pg_notify
            """, "too many notifications");
    }

    [TestCaseSource(nameof(Failures))]
    public async Task Should_confirm_orders_and_show_every_change_while_notifications_fail(
        string fail, string mend, string reason)
    {
        const int count = 20;
        await ExecuteAsync(System.OrderDatabase, fail);
        try
        {
            var account = await OpenAccountAsync(count);
            var orders = await PlaceOrdersAsync(count, account);
            var ends = await Task.WhenAll(System.Orders.SelectMany(replica => orders.Select(async order =>
            {
                using var watch = new OrderService.OrderServiceClient(replica.Channel).WatchOrder(
                    new WatchOrderRequest { OrderId = order }, deadline: DateTime.UtcNow + MaxWait);
                var last = OrderStatus.Unspecified;
                while (await watch.ResponseStream.MoveNext(default))
                    last = watch.ResponseStream.Current.Status;
                return last;
            })));
            Assert.That(ends, Has.All.EqualTo(OrderStatus.Confirmed));
            Assert.That(System.Orders.Select(x => File.ReadAllText(x.LogFile)),
                Has.Some.Contains(reason));
        }
        finally
        {
            await ExecuteAsync(System.OrderDatabase, mend);
        }

        await AuditAsync();
    }
}
