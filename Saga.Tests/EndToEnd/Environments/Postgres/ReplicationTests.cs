using Grpc.Core;
using Npgsql;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>The primary does not wait for its standby, which has not received an order and is promoted.</summary>
[TestFixture, Category("Long")]
public sealed class When_replication_is_asynchronous : StandbyFixture
{
    [Test]
    public async Task Should_lose_an_acknowledged_order_that_the_promoted_standby_has_not_received()
    {
        var account = await OpenAccountAsync(100);
        await WaitForStandbyAsync();
        await CutStandbyOffAsync();
        var order = await PlaceOrderAsync(account, 1);

        await FailOverAsync();
        await AssertConfirmedAsync(await RetryAsync(() => PlaceOrderAsync(account, 1)));
        Assert.That(async () => await GetOrderAsync(order), ThrowsStatus(StatusCode.NotFound));
    }
}

/// <summary>
/// The primary waits for its standby, which does not receive what it commits, until the services give the commits up.
/// </summary>
[TestFixture, Category("Long")]
public sealed class When_replication_is_synchronous : StandbyFixture
{
    const int CommandTimeout = 3; // seconds; 30 by default

    protected override string ChangeDatabase(string connectionString) =>
        new NpgsqlConnectionStringBuilder(base.ChangeDatabase(connectionString)) { CommandTimeout = CommandTimeout }
            .ConnectionString;

    [Test]
    public async Task Should_acknowledge_no_order_that_the_promoted_standby_has_not_received()
    {
        var account = await OpenAccountAsync(100);
        await ExecuteAsync(Primary, "alter system set synchronous_standby_names = '*'");
        await ExecuteAsync(Primary, "select pg_reload_conf()");
        await WaitForStandbyAsync();
        await CutStandbyOffAsync();
        var request = NewOrder(account, 1, requestId: $"{Guid.NewGuid()}");

        Assert.That(async () => await Orders.CreateOrderAsync(request), ThrowsStatus(StatusCode.Unavailable));

        await FailOverAsync();
        var order = (await RetryAsync(async () => await Orders.CreateOrderAsync(request))).OrderId;
        await AssertConfirmedAsync(order);
        await WaitForBalancesAsync(account, available: 99, held: 0, captured: 1);
    }
}
