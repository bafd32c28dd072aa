using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Operations.V1;
using RabbitMQ.Client;
using Saga.Servers;
using static Microsoft.Playwright.Assertions;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.EndToEnd.Operators;

[TestFixture, Category("E2E")]
public sealed class When_an_operator_uses_the_page : PageFixture
{
    const string Queue = "reserve-funds", FailingQueue = "capture-funds";

    [Test, Category("Long")]
    public async Task Should_pause_and_resume_a_queue_and_redrive_orders_whose_messages_were_lost()
    {
        var account = await OpenAccountAsync(100);
        await OpenAsync("queues", "Queues");
        await ActAsync(ButtonOf(RowOf(Queue), "Pause"), $"1 queue, {Queue}", $"{Queue} is paused.");
        await Expect(RowOf(Queue)).ToContainTextAsync($"by {Operator}: {Reason}");
        var (order, second, third) = (await PlaceOrderAsync(account, 1), await PlaceOrderAsync(account, 1),
            await PlaceOrderAsync(account, 1));
        await Wait.UntilAsync(async () => await CountMessagesAsync(Queue) == 3, MaxWait, () => "the commands to wait");

        await OpenAsync("", "Overview");
        await Expect(Main).ToContainTextAsync($"The queue {Queue} is paused");
        await Expect(RowOf("FundsReserved")).ToContainTextAsync(order);
        await PictureAsync("overview");
        await Page.GetByLabel("Order id").FillAsync(order);
        await ButtonOf(Main, "Explain").ClickAsync();
        await Expect(Main).ToContainTextAsync($"ops resume {Queue}");
        await PictureAsync("story");

        await System.Servers.Rabbit.PurgeAsync(System.VirtualHost, Queue);
        await OpenAsync("queues", "Queues");
        await ActAsync(ButtonOf(RowOf(Queue), "Resume"), $"1 queue, {Queue}", $"{Queue} is consumed.");

        await OpenAsync($"orders/{order}", $"Order {order}");
        await ActAsync(ButtonOf(Main, "Redrive"), $"1 order waits for, {order}", "1 of 1 sent");
        await AssertConfirmedAsync(order);
        await OpenAsync("stuck", "Stuck");
        await Expect(Main).ToContainTextAsync("No order has waited for so long.");
        await ButtonLinkOf("any time").ClickAsync();
        var group = PartOf("2 orders waiting for FundsReserved");
        await Expect(group).ToContainTextAsync(second);
        await PictureAsync("stuck");
        await ActAsync(group.GetByLabel($"Redrive {second}"), $"1 order waits for, {second}", "1 of 1 sent");
        await ActAsync(ButtonOf(PartOf("1 order waiting for FundsReserved"), "Redrive 1 order"),
            $"1 order waiting for FundsReserved? The oldest: {third}", "1 of 1 sent", ("Per second", "10"));
        await AssertConfirmedAsync(second, third);
        await OpenAsync($"orders/{order}", $"Order {order}");
        await Expect(Main).ToContainTextAsync("the order became Confirmed");
        await Expect(ButtonOf(Main, "Redrive")).ToHaveCountAsync(0);

        await OpenAsync("audit", "Audit trail");
        foreach (var action in new[] { "PauseQueue", "ResumeQueue", "Redrive" })
            await Expect(RowOf(action).Filter(new() { HasText = "Succeeded, 1 changed" }).First)
                .ToContainTextAsync(Reason);
        await AuditAsync();
    }

    ILocator ButtonLinkOf(string name) => Main.GetByRole(AriaRole.Link, new() { Name = name, Exact = true });

    [Test]
    public async Task Should_replay_and_discard_dead_letters()
    {
        await OpenAsync("dead-letters", "Dead letters");
        await Expect(Main).ToContainTextAsync("There are no dead letters.");
        const int all = 40, rest = all - 1; // at one a second, there is time to stop
        var account = await OpenAccountAsync(all);
        const string constraint = "nothing_captured";
        await ExecuteAsync(System.AccountDatabase,
            $"alter table reservations add constraint {constraint} check (status <> 'Captured') not valid");
        try
        {
            await AssertConfirmedAsync(await PlaceOrdersAsync(all, account));
            await Wait.UntilAsync(async () => await CountMessagesAsync($"{FailingQueue}_error") == all, MaxWait,
                () => "all messages to fail");
        }
        finally
        {
            await ExecuteAsync(System.AccountDatabase, $"alter table reservations drop constraint {constraint}");
        }

        await OpenAsync("", "Overview");
        await Expect(Main).ToContainTextAsync($"Dead letters: {all} failed, 0 skipped, 0 parked.");
        await Page.GetByRole(AriaRole.Link, new() { Name = "More" }).ClickAsync();
        var group = PartOf($"Contracts:OrderConfirmed, failed in {FailingQueue}");
        await Expect(group).ToContainTextAsync($"{all} ×");
        await PictureAsync("dead-letters");
        await Page.Locator("summary").First.ClickAsync();
        await Expect(group.Locator("pre").First).ToContainTextAsync("\"orderId\": \"");

        await ActAsync(ButtonOf(group, "Replay"), "Return 1 message to", "1 of 1 messages returned, 0 kept.",
            ("At most", "1"));
        await Expect(group).ToContainTextAsync($"{rest} ×");
        await BeginAsync(ButtonOf(group, "Replay"), $"Return {rest} messages to", ("Per second", "1"));
        await Expect(Dialog).ToContainTextAsync(new Regex($@"[1-9]\d* of {rest} messages returned"));
        await ButtonOf(Dialog, "Stop").ClickAsync();
        await EndAsync("Stopped.");
        var replayed = await WaitForCancelledReplayAsync();
        Assert.That(replayed, Is.InRange(1, rest - 1));
        var left = rest - replayed;
        await Expect(group).ToContainTextAsync(new Regex($@"\b{left} ×"));

        await ActAsync(ButtonOf(group, "Discard"), $"Delete {left} message", $"{left} deleted, 0 kept.");
        await Expect(Main).ToContainTextAsync("There are no dead letters.");
        await OpenAsync("stuck?minutes=0", "Stuck");
        await ActAsync(ButtonOf(PartOf("waiting for OrdersCaptured"), Redrive(left)),
            "waiting for OrdersCaptured", $"{left} of {left} sent, 0 ");
        await WaitForBalancesAsync(account, available: 0, held: 0, captured: all);
        await AuditAsync();
    }

    static string Redrive(long count) => $"Redrive {count} order{(count == 1 ? "" : "s")}";

    /// <summary>Waits until the newest replay is cancelled; returns how many messages it has returned.</summary>
    async Task<long> WaitForCancelledReplayAsync()
    {
        AuditRecord last = new();
        await Wait.UntilAsync(async () => (last = (await AuditTrailAsync("ReplayDeadLetters"))[^1])
            is { Outcome: "Cancelled" }, MaxWait, () => $"the replay to be cancelled: {last}");
        return last.Count;
    }

    [Test]
    public async Task Should_see_what_does_not_match_until_it_is_mended()
    {
        var account = await OpenAccountAsync(10);
        var order = await PlaceOrderAsync(account, 1);
        await AssertConfirmedAsync(order);
        await WaitForBalancesAsync(account, available: 9, held: 0, captured: 1);
        await SetAmountAsync(order, 2);
        await OpenAsync("reconciliation", "Reconciliation");
        var mismatch = PartOf("AmountDiffers");
        await Expect(mismatch).ToContainTextAsync("compare it with the ledger");
        await PictureAsync("reconciliation");
        await mismatch.GetByRole(AriaRole.Link, new() { Name = order }).ClickAsync();
        await Expect(Main).ToContainTextAsync("its reservation over 2 EUR is Captured");

        await SetAmountAsync(order, 1);
        await OpenAsync("reconciliation", "Reconciliation");
        await Expect(Main).ToContainTextAsync("Everything that was compared matches.");
        await AuditAsync();
    }

    Task SetAmountAsync(string order, int amount) => ExecuteAsync(System.AccountDatabase,
        $"update reservations set amount = {amount} where order_id = '{order}'");

    [Test, Category("Long")]
    public async Task Should_read_long_content_on_a_phone()
    {
        const int groups = 15;
        var account = await OpenAccountAsync(100);
        await PauseAsync(new string('x', 400));
        var order = await PlaceOrderAsync(account, 1);
        for (var i = 0; i < 10; i++)
            await RedriveAsync(order);
        await PublishFailuresAsync(groups, order);

        await OpenAsync($"orders/{order}", $"Order {order}");
        await Expect(Main.GetByText("the order stayed Reserving")).ToHaveCountAsync(10);
        await PictureAsync("long-story");
        await OpenAsync("dead-letters", "Dead letters");
        await Expect(Main.GetByText("failed in reserve-funds")).ToHaveCountAsync(groups);
        await Page.Locator("summary").First.ClickAsync();
        await PictureAsync("long-dead-letters");
        foreach (var (path, title) in new[] { ("queues", "Queues"), ("audit", "Audit trail"), ("", "Overview") })
        {
            await OpenAsync(path, title);
            await Expect(Main).ToContainTextAsync("xxxx");
            await PictureAsync($"long-{(path == "" ? "overview" : path)}");
        }

        await System.Servers.Rabbit.PurgeAsync(System.VirtualHost, $"{Queue}_error");
        await Operations.ResumeQueueAsync(
            new ResumeQueueRequest { Name = Queue, Operator = Operator, Reason = Reason });
        await AssertConfirmedAsync(order);
        await AuditAsync();
    }

    async Task PauseAsync(string reason) => await Operations.PauseQueueAsync(
        new PauseQueueRequest { Name = Queue, Operator = Operator, Reason = reason });

    async Task RedriveAsync(string order)
    {
        using var call = Operations.Redrive(
            new RedriveRequest { OrderIds = { order }, Operator = Operator, Reason = Reason });
        while (await call.ResponseStream.MoveNext(default))
        {
        }
    }

    /// <summary>Puts messages into the error queue, each with another cause without a place to break.</summary>
    async Task PublishFailuresAsync(int count, string order)
    {
        var factory = new ConnectionFactory { Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await channel.QueueDeclareAsync($"{Queue}_error", durable: true, exclusive: false, autoDelete: false);
        for (var i = 0; i < count; i++)
            await channel.BasicPublishAsync("", $"{Queue}_error", mandatory: false, new BasicProperties
            {
                ContentType = "application/vnd.masstransit+json",
                Headers = new Dictionary<string, object?>
                {
                    ["Verified-Sender"] = System.OrderUser,
                    ["MT-Reason"] = "fault",
                    ["MT-Fault-ExceptionType"] = $"{new string('E', 150)}{i}",
                    ["MT-Fault-Message"] = new string('m', 2000),
                    ["MT-Fault-StackTrace"] = $"   at Accounts.FundsStep.{new string('s', 500)}()",
                    ["MT-Fault-Timestamp"] = $"{DateTime.UtcNow:O}",
                },
            }, Encoding.UTF8.GetBytes($$$"""
                {"messageId":"{{{Guid.CreateVersion7()}}}","messageType":["urn:message:Contracts:ReserveFunds"],
                 "message":{"orderId":"{{{order}}}","text":"{{{new string('b', 1000)}}}"}}
                """));
        await Wait.UntilAsync(async () => await CountMessagesAsync($"{Queue}_error") == count, MaxWait,
            () => $"{count} messages in the error queue");
    }

    [Test]
    public async Task Should_see_an_alarm_what_does_not_answer_and_everything_else()
    {
        var alarms = System.Servers.Rabbit as IStoppableBroker
            ?? throw new IgnoreException("the test needs a broker whose alarms it may raise");
        await OpenAsync("", "Overview");
        await Expect(RowOf("Account.Service")).ToContainTextAsync($"{System.Accounts[0].ProcessId}");
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            await alarms.SetMemoryAlarmAsync(true);
            await Expect(Main).ToContainTextAsync("RabbitMQ has raised a memory alarm on ");
            await Expect(Main).ToContainTextAsync("Account is missing: no answer within 5 s");
            await Expect(RowOf("Order.Service")).ToContainTextAsync($"{System.Orders[0].ProcessId}");
            await Expect(PartOf("Outbox of Order")).ToContainTextAsync(new Regex(@"0\s*messages not sent"));
            await Expect(PartOf("Outbox of Account")).ToContainTextAsync(new Regex(@"\?\s*messages not sent"));
            await PictureAsync("missing");
            await OpenAsync("stuck", "Stuck");
            await Expect(Main).ToContainTextAsync("Account is missing: no answer within 5 s");
            await Expect(Main).ToContainTextAsync("No order has waited for so long.");
        }
        finally
        {
            await alarms.SetMemoryAlarmAsync(false);
            System.Accounts[0].Send(Signal.Continue);
        }

        await OpenAsync("", "Overview");
        await Expect(Main).ToContainTextAsync("Nothing needs help.");
    }

    [Test]
    public async Task Should_sign_in_and_out()
    {
        await Page.Context.ClearCookiesAsync();
        await Page.GotoAsync($"{new Uri(Address, "queues")}");
        await Expect(Page).ToHaveTitleAsync("Order saga: sign in");
        await PictureAsync("sign-in");

        await Page.GetByLabel("A token").FillAsync(Token);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Expect(Page.GetByRole(AriaRole.Heading, new() { Name = "Queues" })).ToBeVisibleAsync();
        await Expect(Page.Locator(".mud-appbar")).ToContainTextAsync(Operator);

        await Page.GetByRole(AriaRole.Button, new() { Name = "Sign out" }).ClickAsync();
        await Expect(Page).ToHaveTitleAsync("Order saga: sign in");
        await SignInAsync();
    }

    [Test]
    public async Task Should_not_open_the_page_to_other_sites()
    {
        using var http = System.Operations!.NewHttpClient(Token);
        using var page = await http.GetAsync("/");
        Assert.That(page.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(page.Headers.GetValues("Content-Security-Policy").Single(),
            Does.Contain("script-src 'self';").And.Contain("frame-ancestors 'none'"));
        foreach (var (origin, status) in new[]
        {
            ("http://elsewhere.example", HttpStatusCode.Forbidden), ("null", HttpStatusCode.Forbidden),
            (Address.GetLeftPart(UriPartial.Authority), HttpStatusCode.OK),
        })
        {
            Assert.That(await PostAsync("/_blazor/negotiate?negotiateVersion=1", ""), Is.EqualTo(status), origin);
            Assert.That(await PostAsync($"/v1/queues/{Queue}:resume",
                $$"""{"operator":"{{Operator}}","reason":"{{Reason}}"}"""), Is.EqualTo(status), origin);

            async Task<HttpStatusCode> PostAsync(string path, string body)
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, path)
                {
                    Content = new StringContent(body, Encoding.UTF8, "application/json"),
                };
                request.Headers.Add("Origin", origin);
                using var response = await http.SendAsync(request);
                return response.StatusCode;
            }
        }
    }
}
