using System.Diagnostics;
using System.Text;
using Grpc.Core;
using Operations.V1;
using RabbitMQ.Client;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.EndToEnd.Operators;

[TestFixture, Category("E2E")]
public sealed class When_messages_have_failed : OperatorFixture
{
    const string Queue = "capture-funds", Errors = $"{Queue}_error";

    [TearDown]
    public async Task PurgeAsync()
    {
        await System.Servers.Rabbit.PurgeAsync(System.VirtualHost, Errors);
        await System.Servers.Rabbit.PurgeAsync(System.VirtualHost, $"{Queue}_skipped");
    }

    [Test]
    public async Task Should_be_grouped_explained_and_replayed()
    {
        var account = await OpenAccountAsync(100);
        string[] orders;
        await ExecuteAsync(System.AccountDatabase,
            "alter table reservations add constraint nothing_captured check (status <> 'Captured') not valid");
        try
        {
            orders = await PlaceOrdersAsync(3, account, price: 10);
            await AssertConfirmedAsync(orders);
            await WaitForFailedAsync(3);
        }
        finally
        {
            await ExecuteAsync(System.AccountDatabase, "alter table reservations drop constraint nothing_captured");
        }

        var group = (await DeadLettersAsync()).Single();
        Assert.That((group.Kind, group.Queue, group.Count, group.MessageType),
            Is.EqualTo((DeadLetterKind.Failed, Queue, 3L, "Contracts:OrderConfirmed")));
        Assert.That(group.ExceptionType, Does.EndWith("Exception"));
        Assert.That(group.Messages.SelectMany(x => x.OrderIds), Is.EquivalentTo(orders));
        Assert.That(group.OldestTime.ToDateTime(), Is.EqualTo(DateTime.UtcNow).Within(TimeSpan.FromMinutes(1)));
        await TestContext.Progress.WriteLineAsync($"{group.ExceptionType} in {group.Place}: {group.Reason}");
        var story = await ExplainAsync(orders[0]);
        Assert.That(story.Advice, Has.One.Contains($"ops dead-letters replay {group.GroupId}"));
        Assert.That(story.Events.Select(x => x.Text), Has.One.StartsWith("OrderConfirmed failed"));
        Assert.That(await CountMessagesAsync(Errors), Is.EqualTo(3), "reading them leaves them where they are");

        var progress = await ReplayAsync(group.GroupId, rate: 100);

        Assert.That((progress.Total, progress.Replayed, progress.IsDone), Is.EqualTo((3L, 3L, true)));
        await WaitForBalancesAsync(account, available: 70, held: 0, captured: 30);
        Assert.That(await DeadLettersAsync(), Is.Empty);
        Assert.That((await AuditTrailAsync(nameof(Operations.ReplayDeadLetters))).TakeLast(2)
            .Select(x => (x.Outcome, x.Count, x.Operator, x.Reason)),
            Is.EqualTo(new[] { ("Started", 0L, Operator, Reason), ("Succeeded", 3L, Operator, Reason) }));
        Assert.That((await AuditTrailAsync(nameof(Operations.ReplayDeadLetters)))[^1].Target, Does.StartWith(
            $"group {group.GroupId} (failed, queue {Queue}, Contracts:OrderConfirmed, {group.ExceptionType}"));
        await AuditAsync();
    }

    [Test]
    public async Task Should_be_replayed_at_a_rate_and_by_a_second_call_after_the_first_was_cancelled()
    {
        const int count = 300, rate = 10;
        await PublishAsync(count, CapturedOrder());
        var group = (await DeadLettersAsync()).Single();

        using var cancelled = new CancellationTokenSource();
        var watch = Stopwatch.StartNew();
        var first = 0L;
        using (var call = Operations.ReplayDeadLetters(Request(group.GroupId, rate),
            cancellationToken: cancelled.Token))
            while (first == 0 && await call.ResponseStream.MoveNext(cancelled.Token))
                first = call.ResponseStream.Current.Replayed;
        Assert.That(first, Is.LessThan(rate * (watch.Elapsed.TotalSeconds + 0.5)));
        await cancelled.CancelAsync();
        IReadOnlyList<AuditRecord> trail = [];
        await Wait.UntilAsync(async () => (trail = await AuditTrailAsync(nameof(Operations.ReplayDeadLetters)))[^1]
            .Outcome == "Cancelled", MaxWait, () => $"the call to be cancelled: {trail[^1]}");

        Assert.That((await DeadLettersAsync()).Single().Count, Is.EqualTo(count - trail[^1].Count));
        var second = await ReplayAsync(group.GroupId, rate: 10_000);
        Assert.That(second.Replayed, Is.EqualTo(count - trail[^1].Count), "nothing is lost or doubled");
        Assert.That(await DeadLettersAsync(), Is.Empty);
        await Wait.UntilAsync(async () => await CountMessagesAsync(Queue) == 0, MaxWait, () => "the queue to be empty");
        await AuditAsync();
    }

    [Test]
    public async Task Should_be_replayed_up_to_a_limit_and_in_their_order()
    {
        await PublishAsync(10, CapturedOrder());
        var group = (await DeadLettersAsync()).Single();
        var all = await MessagesAsync(group.GroupId);
        var request = Request(group.GroupId, 1000);
        request.Limit = 4;
        using (var call = Operations.ReplayDeadLetters(request))
            await foreach (var _ in call.ResponseStream.ReadAllAsync())
            {
            }

        Assert.That(await MessagesAsync(group.GroupId), Is.EqualTo(all.Skip(4)));
    }

    [Test, Category("Long")]
    public async Task Should_be_grouped_within_three_seconds_when_there_are_ten_thousand()
    {
        await PublishAsync(10_000, CapturedOrder());
        var watch = Stopwatch.StartNew();
        var groups = await DeadLettersAsync();
        var elapsed = watch.Elapsed;
        await TestContext.Progress.WriteLineAsync($"10,000 dead letters were grouped in {elapsed.TotalSeconds:F2} s");
        Assert.That(groups.Select(x => x.Count), Is.EqualTo(new[] { 10_000 }));
        Assert.That(elapsed, Is.LessThan(TimeSpan.FromSeconds(3)));
        Assert.That(await CountMessagesAsync(Errors), Is.EqualTo(10_000));
    }

    [Test]
    public async Task Should_be_discarded_unless_their_order_needs_them()
    {
        var held = await CapturedOrder();
        await SetReservationAsync(held, "Held");
        await PublishAsync(3, CapturedOrder());
        await PublishAsync(1, Task.FromResult(held));
        var group = (await DeadLettersAsync()).Single();

        var response = await Operations.DiscardDeadLettersAsync(new DiscardDeadLettersRequest
        {
            GroupId = group.GroupId,
            Operator = Operator,
            Reason = Reason,
        });

        Assert.That(response.Discarded, Is.EqualTo(3));
        Assert.That(response.Kept.Single().Reason, Does.Contain($"{held}"));
        Assert.That((await DeadLettersAsync()).Single().Messages.Single().OrderIds, Is.EqualTo(new[] { $"{held}" }));
        Assert.That((await AuditTrailAsync(nameof(Operations.DiscardDeadLetters)))[^1].Count, Is.EqualTo(3));
        var release = await Operations.ReleaseHoldsAsync(new ReleaseHoldsRequest
        {
            OrderIds = { $"{held}" },
            Operator = Operator,
            Reason = Reason,
        });
        Assert.That(release.Kept.Single().Reason, Does.Contain($"ops dead-letters replay {group.GroupId}"));
        await SetReservationAsync(held, "Captured");
    }

    [Test]
    public void Should_not_be_touched_without_a_reason()
    {
        var request = new DiscardDeadLettersRequest { GroupId = "x", Reason = " " };
        Assert.That(() => Operations.DiscardDeadLettersAsync(request).ResponseAsync, Throws.TypeOf<RpcException>()
            .With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.InvalidArgument));
    }

    [Test]
    public async Task Should_leave_a_failed_action_in_the_audit_trail()
    {
        var request = new DiscardDeadLettersRequest { GroupId = "missing", Operator = Operator, Reason = Reason };
        Assert.That(() => Operations.DiscardDeadLettersAsync(request).ResponseAsync, Throws.TypeOf<RpcException>()
            .With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.NotFound));
        var last = (await AuditTrailAsync(nameof(Operations.DiscardDeadLetters)))[^1];
        Assert.That((last.Outcome, last.Target), Is.EqualTo(("Failed", "group missing")));
        Assert.That(last.Detail, Does.Contain("NotFound"));
        foreach (var sql in new[] { "update audit_entries set operator = ''", "delete from audit_entries" })
            Assert.That(() => ExecuteAsync(System.OperationsDatabase, sql),
                Throws.Exception.With.Message.Contains("never changed or deleted"));
    }

    Task SetReservationAsync(Guid orderId, string status) => ExecuteAsync(System.AccountDatabase,
        $"update reservations set status = '{status}' where order_id = '{orderId}'");

    Task WaitForFailedAsync(int count) => Wait.UntilAsync(async () => await CountMessagesAsync(Errors) == count,
        MaxWait, () => $"{count} messages in {Errors}");

    async Task<Guid> CapturedOrder()
    {
        var account = await OpenAccountAsync(1);
        var order = await PlaceOrderAsync(account, 1);
        await WaitForBalancesAsync(account, available: 0, held: 0, captured: 1);
        await Wait.UntilAsync(async () => await CountAsync(System.OrderDatabase,
            $"select count(*) from orders where order_id = '{order}' and resend_time is null") == 1, MaxWait,
            () => "the order to wait for nothing");
        return Guid.Parse(order);
    }

    async Task<string[]> MessagesAsync(string groupId) =>
        [.. (await Operations.ListDeadLettersAsync(new ListDeadLettersRequest
        {
            GroupId = groupId,
            MaxMessages = 1000,
        })).Groups.Single().Messages.Select(x => x.MessageId)];

    static ReplayDeadLettersRequest Request(string groupId, double rate) =>
        new() { GroupId = groupId, Rate = rate, Operator = Operator, Reason = Reason };

    async Task<ReplayProgress> ReplayAsync(string groupId, double rate)
    {
        using var call = Operations.ReplayDeadLetters(Request(groupId, rate));
        var last = new ReplayProgress();
        await foreach (var progress in call.ResponseStream.ReadAllAsync())
            last = progress;
        return last;
    }

    /// <summary>Puts messages into the error queue, as MassTransit does when a consumer has failed.</summary>
    async Task PublishAsync(int count, Task<Guid> orderId)
    {
        var order = await orderId;
        var account = (await GetOrderAsync($"{order}")).AccountId;
        var trace = "   at Accounts.FundsHandler.HandleAsync()\n"
            + string.Concat(Enumerable.Repeat("   at Npgsql.NpgsqlDataReader.NextResult()\n", 60));
        var factory = new ConnectionFactory { Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await channel.QueueDeclareAsync(Errors, durable: true, exclusive: false, autoDelete: false);
        for (var i = 0; i < count; i++)
        {
            var id = Guid.CreateVersion7();
            var body = Encoding.UTF8.GetBytes($$"""
                {"messageId":"{{id}}","messageType":["urn:message:Contracts:OrderConfirmed"],
                 "sentTime":"{{DateTime.UtcNow:O}}",
                 "message":{"orderId":"{{order}}","accountId":"{{account}}"} }
                """);
            await channel.BasicPublishAsync("", Errors, mandatory: false, new BasicProperties
            {
                MessageId = $"{id}",
                ContentType = "application/vnd.masstransit+json",
                Persistent = true,
                Headers = new Dictionary<string, object?>
                {
                    ["Verified-Sender"] = System.OrderUser,
                    ["MT-Reason"] = "fault",
                    ["MT-Fault-ExceptionType"] = "System.TimeoutException",
                    ["MT-Fault-Message"] = "too late",
                    ["MT-Fault-StackTrace"] = trace,
                    ["MT-Fault-Timestamp"] = $"{DateTime.UtcNow:O}",
                },
            }, body);
        }

        await WaitForAtLeastAsync(count);
    }

    Task WaitForAtLeastAsync(int count) => Wait.UntilAsync(async () => await CountMessagesAsync(Errors) >= count,
        MaxWait, () => $"{count} messages in {Errors}");
}
