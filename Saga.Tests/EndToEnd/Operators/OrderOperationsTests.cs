using System.Diagnostics;
using Accounts.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Operations.V1;
using Orders.V1;
using Saga.Servers;
using Saga.Services;
using Saga.Tests.Support;
using Service.Defaults;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.EndToEnd.Operators;

/// <summary>Nothing is sent again by itself, and nothing times out.</summary>
[TestFixture, Category("E2E")]
public sealed partial class When_an_operator_looks_after_orders : SystemFixture
{
    protected override TimeSpan ReservationTimeout => TimeSpan.FromDays(1);

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Saga__ResendDelay"] = "01:00:00",
        ["Saga__MaxResendDelay"] = "01:00:00",
    };

    OrderOperations.OrderOperationsClient Operator => new(System.Orders[0].OperationsChannel);

    static readonly Duration Now = Duration.FromTimeSpan(TimeSpan.Zero);

    [Test]
    public async Task Should_find_the_methods_only_on_the_operations_port()
    {
        var id = Guid.CreateVersion7().ToString();
        foreach (var call in new Func<Task>[]
        {
            () => StoryAsync(id, new(System.Orders[0].Channel)),
            () => new AccountOperations.AccountOperationsClient(System.Accounts[0].Channel)
                .GetReservationStoryAsync(new() { OrderId = id }).ResponseAsync,
            () => new OrderService.OrderServiceClient(System.Orders[0].OperationsChannel)
                .GetOrderAsync(new() { OrderId = id }).ResponseAsync,
            () => new AccountService.AccountServiceClient(System.Accounts[0].OperationsChannel)
                .GetReservationAsync(new() { OrderId = id }).ResponseAsync,
        })
            Assert.That(call, ThrowsStatus(StatusCode.Unimplemented));
        Assert.That(() => StoryAsync(id), ThrowsStatus(StatusCode.NotFound));
        Assert.That(() => StoryAsync("?"), ThrowsStatus(StatusCode.InvalidArgument));
    }

    [Test]
    public async Task Should_tell_the_story_of_a_confirmed_order()
    {
        var account = await OpenAccountAsync(10);
        var requestId = Guid.NewGuid();
        var id = (await Orders.CreateOrderAsync(NewOrder(account, 10, requestId: $"{requestId}"))).OrderId;
        await AssertConfirmedAsync(id);
        await WaitUntilSettledAsync(id);

        var story = await StoryAsync(id);
        var order = await GetOrderAsync(id);
        Assert.That(story.Order, Is.EqualTo(new OrderRecord
        {
            OrderId = id,
            AccountId = account,
            State = "Confirmed",
            Total = Money(10),
            CreateTime = order.CreateTime,
            UpdateTime = order.UpdateTime,
            RequestId = $"{new Caller(BearerCredentials.Subject, IsAdministrator: true).Remember(requestId)}",
            PlacedBy = BearerCredentials.Subject,
        }));
        Assert.That(TransitionsOf(story), Is.EqualTo(new[]
        {
            "OrderSubmitted:  -> Reserving ", "FundsReserved: Reserving -> Confirmed ",
            "FundsCaptured: Confirmed -> Confirmed ",
        }));
        Assert.That(story.Transitions.Select(x => x.Time), Is.Ordered);
        Assert.That(story.Wait, Is.Null);
        await Wait.UntilAsync(async () => (await StoryAsync(id)).PendingMessages.Count == 0, MaxWait,
            () => "the order's messages to be sent");
    }

    [Test]
    public async Task Should_tell_the_story_of_a_rejected_order()
    {
        var id = await PlaceOrderAsync(await OpenAccountAsync(5), 10);
        await WaitForEndAsync(id);
        var story = await StoryAsync(id);
        Assert.That((story.Order.State, story.Order.Reason), Is.EqualTo(("Rejected", "InsufficientFunds")));
        Assert.That(TransitionsOf(story)[^1],
            Is.EqualTo("ReservationRejected: Reserving -> Rejected InsufficientFunds"));
    }

    [Test]
    public async Task Should_tell_what_an_order_waits_for()
    {
        var account = await OpenAccountAsync(10);
        System.Accounts[0].Send(Signal.Stop);
        string id;
        try
        {
            id = await PlaceOrderAsync(account, 10);
            var story = await StoryAsync(id);
            Assert.That((story.Wait.Message, story.Wait.Queue, story.Wait.IsStuck),
                Is.EqualTo(("FundsReserved", "reserve-funds", false)));
            Assert.That(story.Wait.Since, Is.EqualTo(story.Order.UpdateTime));
            Assert.That(story.Wait.ResendTime, Is.GreaterThan(story.Wait.Since));
            await Wait.UntilAsync(async () => (story = await StoryAsync(id)).PendingMessages.Count == 1, MaxWait,
                () => $"only the timeout: {story}");
            var timeout = story.PendingMessages[0];
            Assert.That((timeout.MessageType, timeout.Destination, timeout.State, timeout.OrderId, timeout.Body),
                Is.EqualTo(("Orders:ReservationTimedOut", "order-state", PendingMessage.Types.State.Scheduled, id,
                    $$"""{"orderId":"{{id}}"}""")));

            await Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = id });
            story = await StoryAsync(id);
            Assert.That((story.Wait.Message, story.Wait.Queue), Is.EqualTo(("FundsReleased", "release-funds")));
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }

        await WaitForEndAsync(id);
        Assert.That(TransitionsOf(await StoryAsync(id)), Is.EqualTo(new[]
        {
            "OrderSubmitted:  -> Reserving ", "CancellationRequested: Reserving -> Cancelling CancelledByClient",
            "FundsReleased: Cancelling -> Cancelled CancelledByClient",
        }));
    }

    [Test]
    public async Task Should_redrive_the_orders_whose_commands_were_lost()
    {
        var account = await OpenAccountAsync(3);
        var ids = await LoseOrdersAsync(account, 3);

        await ExecuteAsync(System.OrderDatabase, $"""
            update orders set update_time = update_time - interval '2 hours' where order_id = '{ids[0]}'
            """);
        var stuck = await StuckAsync(null);
        Assert.That((stuck.Count, stuck.OrderIds), Is.EqualTo((1, new[] { ids[0] })), "stuck for more than an hour");
        Assert.That((await StoryAsync(ids[0])).Wait.IsStuck);
        stuck = await StuckAsync(Now);
        Assert.That((stuck.Message, stuck.Queue, stuck.Count), Is.EqualTo(("FundsReserved", "reserve-funds", 3)));
        Assert.That(stuck.OrderIds, Is.EqualTo(ids).And.Count.EqualTo(3), "the oldest first");
        Assert.That(stuck.Advice, Does.Contain("Redrive"));

        var request = new RedriveOrdersRequest { Queue = "reserve-funds", DryRun = true };
        Assert.That(await RedriveAsync(request), Is.EqualTo(Progress(total: 3, sent: 0, skipped: 0)));
        Assert.That(TransitionsOf(await StoryAsync(ids[0])), Has.Length.EqualTo(1), "a dry run changes nothing");
        request.DryRun = false;
        Assert.That(await RedriveAsync(request), Is.EqualTo(Progress(total: 3, sent: 3, skipped: 0)));

        await AssertConfirmedAsync(ids);
        await WaitUntilSettledAsync(ids);
        Assert.That(TransitionsOf(await StoryAsync(ids[1])), Is.EqualTo(new[]
        {
            "OrderSubmitted:  -> Reserving ", "AnswerOverdue: Reserving -> Reserving ",
            "FundsReserved: Reserving -> Confirmed ", "FundsCaptured: Confirmed -> Confirmed ",
        }));
        await WaitForBalancesAsync(account, available: 0, held: 0, captured: 3);
        await AuditAsync();
    }

    [Test]
    public async Task Should_redrive_chosen_orders_and_skip_those_that_wait_for_nothing()
    {
        var account = await OpenAccountAsync(2);
        var ended = await PlaceOrderAsync(account, 1);
        await AssertConfirmedAsync(ended);
        await WaitUntilSettledAsync(ended);
        var lost = await LoseOrdersAsync(account, 1);
        var request = new RedriveOrdersRequest
        {
            OrderIds = { lost[0], ended, Guid.CreateVersion7().ToString() },
            DryRun = true,
        };
        Assert.That(await RedriveAsync(request), Is.EqualTo(Progress(total: 3, sent: 0, skipped: 2)));
        request.DryRun = false;
        Assert.That(await RedriveAsync(request), Is.EqualTo(Progress(total: 3, sent: 1, skipped: 2)));
        await AssertConfirmedAsync(lost);
    }

    [Test]
    public async Task Should_redrive_at_a_rate_until_the_call_ends()
    {
        var account = Guid.NewGuid(); // which does not exist
        var ids = Enumerable.Range(0, 40).Select(_ => $"{Guid.CreateVersion7()}").ToArray();
        await InsertAsync("Reserving", $"{account}", ids);
        using var end = new CancellationTokenSource();
        var request = new RedriveOrdersRequest { OrderIds = { ids }, Rate = 2 };
        var watch = Stopwatch.StartNew();
        using var call = Operator.RedriveOrders(request, cancellationToken: end.Token);
        Assert.That(await call.ResponseStream.MoveNext(default), "progress within a second");
        var progress = call.ResponseStream.Current;
        Assert.That((progress.Total, progress.IsDone), Is.EqualTo((40, false)));
        Assert.That(progress.Sent, Is.InRange(1, 2 * watch.Elapsed.TotalSeconds + 2), "two a second");
        await end.CancelAsync();

        long sent = 0;
        await Wait.UntilAsync(async () =>
        {
            var before = sent;
            sent = await SentAgainAsync();
            return sent == before;
        }, MaxWait, () => "the redrive to end", pollMilliseconds: 1000);
        Assert.That(sent, Is.InRange(progress.Sent, ids.Length - 1), "ended with the call");
        Assert.That(await RedriveAsync(new() { OrderIds = { ids } }),
            Has.Property("IsDone").True.And.Property("Total").EqualTo(40), "the rest");
        await WaitForEndAsync(ids);

        Task<long> SentAgainAsync() => CountAsync(System.OrderDatabase, $"""
            select count(distinct order_id) from order_transitions join orders using (order_id)
            where account_id = '{account}' and event = 'AnswerOverdue'
            """);
    }

    [TestCase("Initial", "order-state", "Rejected AccountNotFound",
        TestName = "Should_begin_an_order_that_an_older_build_has_left")]
    [TestCase("Cancelling", "release-funds", "Cancelled ",
        TestName = "Should_ask_again_for_the_release_of_an_order")]
    public async Task Should_redrive_an_order_in_any_state(string state, string queue, string end)
    {
        var id = $"{Guid.CreateVersion7()}";
        await InsertAsync(state, $"{Guid.NewGuid()}", [id]);
        StuckGroup? group = null;
        // A clock that is set back makes the order newer than now for a moment.
        await Wait.UntilAsync(async () => (group = (await Operator.ListStuckOrdersAsync(
            new() { OlderThan = Now, MaxIds = 1 })).Groups.SingleOrDefault(x => x.Queue == queue)) != null, MaxWait,
            () => $"orders to wait for {queue}");
        Assert.That(group!.OrderIds, Is.EqualTo(new[] { id }));
        Assert.That(await RedriveAsync(new() { Queue = queue }), Is.EqualTo(Progress(total: 1, sent: 1, skipped: 0)));
        await WaitForEndAsync(id);
        var story = await StoryAsync(id);
        Assert.That($"{story.Order.State} {story.Order.Reason}", Is.EqualTo(end));
        Assert.That(story.Wait, Is.Null);
    }

    [Test]
    public void Should_redrive_nothing_without_a_choice([Values] bool isUnknownQueue) => Assert.That(
        () => RedriveAsync(isUnknownQueue ? new() { Queue = "unknown" } : new() { Rate = 10 }),
        ThrowsStatus(StatusCode.InvalidArgument));

    [TestCase(-1)]
    [TestCase(double.NaN)]
    [TestCase(1e9)]
    public void Should_redrive_nothing_at_an_invalid_rate(double rate) => Assert.That(
        () => RedriveAsync(new() { OlderThan = Now, Rate = rate }), ThrowsStatus(StatusCode.InvalidArgument));

    [Test]
    public async Task Should_list_and_get_the_facts_of_orders()
    {
        var account = await OpenAccountAsync(2);
        var ids = await PlaceOrdersAsync(2, account);
        await AssertConfirmedAsync(ids);
        await WaitUntilSettledAsync(ids);
        var missing = Guid.CreateVersion7().ToString();

        var got = (await Operator.GetOrderFactsAsync(new() { OrderIds = { ids[0], missing } })).Orders;
        var order = await GetOrderAsync(ids[0]);
        Assert.That(got, Is.EqualTo(new[]
        {
            new OrderFacts
            {
                OrderId = ids[0],
                AccountId = account,
                State = "Confirmed",
                Total = Money(1),
                CreateTime = order.CreateTime,
                UpdateTime = order.UpdateTime,
            },
        }));

        var (listed, after) = (new List<string>(), "");
        while (true)
        {
            var page = (await Operator.ListOrderFactsAsync(new() { AfterOrderId = after, PageSize = 3 })).Orders;
            if (page.Count == 0)
                break;
            listed.AddRange(page.Select(x => x.OrderId));
            after = page[^1].OrderId;
        }

        Assert.That(listed, Is.Ordered.And.Unique.And.SupersetOf(ids));
        var old = await Operator.ListOrderFactsAsync(new() { CreateTimeBefore = order.CreateTime });
        Assert.That(old.Orders.Select(x => x.OrderId), Has.None.AnyOf(ids[0]));
    }

    [Test]
    public async Task Should_export_a_time_range_and_continue_after_an_order()
    {
        var start = Timestamp.FromDateTime(DateTime.UtcNow);
        var ids = (await PlaceOrdersAsync(3, await OpenAccountAsync(0))).Order().ToArray();
        await WaitForEndAsync(ids);
        var range = new ExportRequest { StartTime = start, EndTime = Timestamp.FromDateTime(DateTime.UtcNow) };

        var all = await ExportAsync(range);
        Assert.That(all.Select(x => x.OrderId), Is.EqualTo(ids));
        Assert.That(all[0], Is.EqualTo((await StoryAsync(ids[0])).Order));
        range.AfterId = ids[0];
        Assert.That((await ExportAsync(range)).Select(x => x.OrderId), Is.EqualTo(ids[1..]));
        range.EndTime = start;
        Assert.That(() => ExportAsync(range), ThrowsStatus(StatusCode.InvalidArgument));

        Task<List<OrderRecord>> ExportAsync(ExportRequest request) =>
            ReadAsync(Operator.ExportOrders(request).ResponseStream);
    }

    [Test]
    public async Task Should_sum_the_orders_of_a_day()
    {
        var account = await OpenAccountAsync(30, "CHF");
        var ids = new[] { await PlaceOrderAsync(account, 10, "CHF"), await PlaceOrderAsync(account, 15, "CHF") };
        await AssertConfirmedAsync(ids);
        await WaitForEndAsync(await PlaceOrderAsync(account, 10, "CHF"));

        var totals = await Operator.GetOrderTotalsAsync(new() { Day = Google.Type.Date.FromDateTime(DateTime.UtcNow) });
        Assert.That(totals.Totals.Where(x => x.CurrencyCode == "CHF"), Is.EqualTo(new[]
        {
            new OrderTotal { CurrencyCode = "CHF", State = "Confirmed", Count = 2, Total = Money(25, "CHF") },
            new OrderTotal
            {
                CurrencyCode = "CHF",
                State = "Rejected",
                Reason = "InsufficientFunds",
                Count = 1,
                Total = Money(10, "CHF"),
            },
        }));
        Assert.That(() => Operator.GetOrderTotalsAsync(new() { Day = new() { Year = 2026, Month = 2, Day = 30 } })
            .ResponseAsync, ThrowsStatus(StatusCode.InvalidArgument));
    }

    Task<OrderStory> StoryAsync(string id, OrderOperations.OrderOperationsClient? client = null) =>
        (client ?? Operator).GetOrderStoryAsync(new() { OrderId = id }).ResponseAsync;

    static string[] TransitionsOf(OrderStory story) =>
        [.. story.Transitions.Select(x => $"{x.Event}: {x.FromState} -> {x.ToState} {x.Reason}")];

    async Task<StuckGroup> StuckAsync(Duration? olderThan) =>
        (await Operator.ListStuckOrdersAsync(new() { OlderThan = olderThan })).Groups
            .Single(x => x.Queue == "reserve-funds");

    async Task<RedriveProgress> RedriveAsync(RedriveOrdersRequest request) =>
        (await ReadAsync(Operator.RedriveOrders(request).ResponseStream))[^1];

    static RedriveProgress Progress(long total, long sent, long skipped) =>
        new() { Total = total, Sent = sent, Skipped = skipped, IsDone = true };

    static async Task<List<T>> ReadAsync<T>(IAsyncStreamReader<T> stream)
    {
        var all = new List<T>();
        await foreach (var item in stream.ReadAllAsync())
            all.Add(item);
        return all;
    }

    /// <summary>Places orders, and loses the commands to reserve their funds.</summary>
    async Task<string[]> LoseOrdersAsync(string account, int count)
    {
        await System.Accounts[0].KillAsync();
        var ids = new string[count];
        for (var i = 0; i < count; i++)
            ids[i] = await PlaceOrderAsync(account, 1);
        await Wait.UntilAsync(async () => await CountAsync(System.OrderDatabase,
            "select count(*) from outbox_message where token_id is null") == 0, MaxWait, () => "an empty outbox");
        foreach (var queue in new[] { "reserve-funds", "reserve-funds_batch" })
            await System.Servers.Rabbit.PurgeAsync(System.VirtualHost, queue);
        System.Accounts[0].Start();
        await System.Accounts[0].WaitUntilReadyAsync();
        return ids;
    }

    /// <summary>Inserts orders of 10 EUR.</summary>
    Task InsertAsync(string state, string account, string[] ids) => ExecuteAsync(System.OrderDatabase, $$"""
        insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time,
            resend_time)
        select id::uuid, '{{state}}', '{{account}}', '[{"Sku": "book", "Quantity": 1, "UnitPrice": 10}]', 10, 'EUR',
            now(), now(), now() + interval '1 hour' from unnest(array['{{string.Join("', '", ids)}}']) as id
        """);
}
