using Accounts.V1;
using Grpc.Core;
using Npgsql;
using Operations.V1;
using Orders.V1;
using Saga.Services;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.EndToEnd.Operators;

[TestFixture, Category("E2E")]
public sealed class When_finished_orders_are_archived : OperatorFixture
{
    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>(base.Settings)
    {
        ["Archive__After"] = "1.00:00:00",
        ["Archive__Interval"] = "00:00:00.2",
        ["Archive__BatchSize"] = "2",
    };

    [Test]
    public async Task Should_still_find_them_and_never_place_or_reserve_them_again()
    {
        var account = await OpenAccountAsync(10);
        var request = NewOrder(account, 3, requestId: $"{Guid.NewGuid()}");
        var confirmed = (await Orders.CreateOrderAsync(request)).OrderId;
        await AssertConfirmedAsync(confirmed);
        var rejected = await PlaceOrderAsync(account, 100);
        await WaitForEndAsync(rejected);
        var young = await PlaceOrderAsync(account, 2);
        await AssertConfirmedAsync(young);
        await WaitForBalancesAsync(account, available: 5, held: 0, captured: 5);
        await WaitUntilSettledAsync(confirmed);
        var before = await GetOrderAsync(confirmed);
        (confirmed, rejected) = (await MakeOlderAsync(confirmed), await MakeOlderAsync(rejected));

        await Wait.UntilAsync(async () => await CountAsync(System.OrderDatabase, "select count(*) from orders") == 1
            && await CountAsync(System.AccountDatabase, "select count(*) from reservations") == 1, MaxWait,
            () => "the old order and its reservation to be archived");

        // Readers find it.
        var order = await GetOrderAsync(confirmed);
        Assert.That((order.Status, order.Items, order.Total), Is.EqualTo((before.Status, before.Items, before.Total)));
        await AssertListedAsync(Orders, Accounts, account, [young, rejected, confirmed]);
        var token = TokenIssuer.Instance.Sign(BearerCredentials.Subject); // of the owner, who is no administrator here
        using var orders = System.Orders[0].ConnectAs(token);
        using var accounts = System.Accounts[0].ConnectAs(token);
        await AssertListedAsync(new(orders), new(accounts), account, [young, rejected, confirmed]);
        using var watch = Orders.WatchOrder(new WatchOrderRequest { OrderId = rejected });
        Assert.That(await watch.ResponseStream.MoveNext(default), Is.True);
        Assert.That(watch.ResponseStream.Current.Reason, Is.EqualTo(OrderReason.InsufficientFunds));
        var reservation = await Accounts.GetReservationAsync(new GetReservationRequest { OrderId = confirmed });
        Assert.That(reservation.Status, Is.EqualTo(ReservationStatus.Captured));
        var entries = await Accounts.ListEntriesAsync(new ListEntriesRequest { AccountId = account });
        Assert.That(entries.Entries.Reverse().Select(x => (x.Kind, x.AvailableAfter.Units)), Is.EqualTo(new[]
        {
            (EntryKind.Deposit, 10L), (EntryKind.Hold, 7L), (EntryKind.Capture, 7L), (EntryKind.Hold, 5L),
            (EntryKind.Capture, 5L),
        }));
        var story = await ExplainAsync(confirmed);
        Assert.That(story.Events.Select(x => x.Text), Has.Some.Contains("Confirmed"), $"{story}");
        Assert.That(story.Events.Select(x => x.Text), Has.Some.Contains("Capture"), $"{story}");
        Assert.That(story.Events.Select(x => x.Text), Has.Some.Contains($"from {BearerCredentials.Subject}"));

        // Nothing happens a second time.
        Assert.That((await Orders.CreateOrderAsync(request)).OrderId, Is.EqualTo(confirmed));
        request.Items[0].Quantity = 2;
        Assert.That(() => Orders.CreateOrderAsync(request).ResponseAsync, ThrowsStatus(StatusCode.AlreadyExists));
        Assert.That(() => Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = confirmed }).ResponseAsync,
            ThrowsStatus(StatusCode.FailedPrecondition));
        var release = new ReleaseHoldRequest
        {
            OrderId = confirmed,
            AccountId = account,
            Amount = Money(3),
            Operator = Operator,
            Reason = Reason,
        };
        Assert.That(() => new OrderOperations.OrderOperationsClient(System.Orders[0].OperationsChannel)
            .ReleaseHoldAsync(release).ResponseAsync, ThrowsStatus(StatusCode.FailedPrecondition));
        Assert.That(() => ExecuteAsync(System.OrderDatabase, "delete from orders_archive"), Refused);
        Assert.That(() => ExecuteAsync(System.OrderDatabase, "update order_transitions_archive set event = ''"),
            Refused);
        Assert.That(() => ExecuteAsync(System.AccountDatabase, "truncate ledger_entries_archive"), Refused);
        Assert.That(() => ExecuteAsync(System.AccountDatabase, "delete from ledger_entries where kind <> 'Deposit'"),
            Throws.TypeOf<PostgresException>().With.Message.Contains("never changed"));
        await WaitForBalancesAsync(account, available: 5, held: 0, captured: 5);

        // Money and history are complete, and both services agree.
        await AuditAsync();
        Reconciliation reconciliation = new();
        await Wait.UntilAsync(async () => (reconciliation = await Operations.GetReconciliationAsync(
            new GetReconciliationRequest())).Progress.All(x => x.Rounds > 0 || x.Subject.StartsWith("Recent")),
            MaxWait, () => $"a round: {reconciliation}");
        Assert.That(reconciliation.Mismatches, Is.Empty);
    }

    static NUnit.Framework.Constraints.IResolveConstraint Refused =>
        Throws.TypeOf<PostgresException>().With.Message.Contains("archived rows are never changed");

    /// <summary>Asserts what the lists have of an account, with and without a filter.</summary>
    static async Task AssertListedAsync(OrderService.OrderServiceClient orders,
        AccountService.AccountServiceClient accounts, string account, string[] expected)
    {
        foreach (var filter in new[] { account, "" })
        {
            var list = await orders.ListOrdersAsync(new ListOrdersRequest { AccountId = filter });
            Assert.That(list.Orders.Where(x => x.AccountId == account).Select(x => x.OrderId), Is.EqualTo(expected));
            var reservations = await accounts.ListReservationsAsync(new ListReservationsRequest { AccountId = filter });
            Assert.That(reservations.Reservations.Where(x => x.AccountId == account).Select(x => x.OrderId),
                Is.EqualTo(expected));
        }
    }

    /// <summary>Changes the id and the times of an order, as if it had been placed 40 days earlier.</summary>
    async Task<string> MakeOlderAsync(string orderId)
    {
        var id = Guid.Parse(orderId);
        var old = Guid.Parse($"{Service.Defaults.OrderId.First(Service.Defaults.OrderId.TimeOf(id).AddDays(-40))}"[..13]
            + orderId[13..]);
        const string ago = "interval '40 days'";
        await ExecuteAsync(System.OrderDatabase, $"""
            set session_replication_role = replica;
            update orders set order_id = '{old}', create_time = create_time - {ago}, update_time = update_time - {ago}
            where order_id = '{orderId}';
            update order_transitions set order_id = '{old}', time = time - {ago} where order_id = '{orderId}';
            """);
        await ExecuteAsync(System.AccountDatabase, $"""
            set session_replication_role = replica;
            update reservations set order_id = '{old}', create_time = create_time - {ago},
                update_time = update_time - {ago}
            where order_id = '{orderId}';
            update ledger_entries set order_id = '{old}' where order_id = '{orderId}';
            """);
        return $"{old}";
    }
}
