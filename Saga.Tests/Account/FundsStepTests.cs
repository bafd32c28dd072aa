using Accounts;
using Contracts;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Saga.Servers;
using Saga.Services;
using Saga.Tests.Support;
using Service.Defaults;
using V1 = Accounts.V1;

namespace Saga.Tests.Accounts;

/// <summary>
/// The Account service without Order. The test sends raw messages in sequences and numbers that Order would not.
/// </summary>
[TestFixture, Category("Integration")]
public sealed class When_funds_commands_are_concurrent
{
    readonly string _suffix = TestServers.NewName("_funds");
    OrderSystem _system = null!;
    ServiceProvider _sender = null!;
    IBusControl _bus = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        var servers = await TestServers.GetAsync();
        _system = await OrderSystem.StartAsync(servers, new OrderSystemOptions
        {
            Suffix = _suffix,
            OrderReplicas = 0,
            AccountReplicas = 2,
        });
        _sender = new ServiceCollection().AddMassTransit(x =>
        {
            x.DisableUsageTelemetry();
            x.UsingRabbitMq((_, rabbit) =>
            {
                rabbit.Connect(servers.Rabbit, _system.VirtualHost);
                rabbit.SignAs(_system.OrderUser);
            });
        }).BuildServiceProvider();
        _bus = _sender.GetRequiredService<IBusControl>();
        await _bus.StartAsync(TimeSpan.FromSeconds(20));
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        await _bus.StopAsync(TimeSpan.FromSeconds(20));
        await _sender.DisposeAsync();
        await _system.DisposeAsync();
    }

    [Test]
    public async Task Should_never_overdraw_an_account_with_200_concurrent_messages()
    {
        var account = await OpenAccountAsync(50);
        await ConsumeAsync(Enumerable.Range(0, 200).Select(_ => Reserve(Guid.NewGuid(), account, 1)));
        Assert.That(await CountReservationsAsync(account), Is.EqualTo(200));
        Assert.That(await CountReservationsAsync(account, ReservationStatus.Held), Is.EqualTo(50));
        Assert.That(await ReadBalancesAsync(account), Is.EqualTo((0m, 50m)));
        Assert.That(await CountHoldsAsync(account), Is.EqualTo(50));
    }

    [Test]
    public async Task Should_hold_once_when_one_order_sends_50_commands_with_new_message_ids()
    {
        var (account, order) = (await OpenAccountAsync(50), Guid.NewGuid());
        await ConsumeAsync(Enumerable.Range(0, 50).Select(_ => Reserve(order, account, 10)));
        Assert.That(await CountReservationsAsync(account), Is.EqualTo(1));
        Assert.That(await ReadBalancesAsync(account), Is.EqualTo((40m, 10m)));
        Assert.That(await CountHoldsAsync(account), Is.EqualTo(1));
    }

    [Test]
    public async Task Should_decide_a_group_in_the_order_of_its_commands()
    {
        var account = await OpenAccountAsync(10);
        var commands = new[] { 8m, 5, 2, 1 }
            .Select(x => FundsCommand.Of(new ReserveFunds(Guid.CreateVersion7(), account, x, "EUR"))).ToList();
        var decisions = await DecideAsync(commands);

        Assert.That(decisions.Select(x => x.Answer?.GetType()), Is.EqualTo(new[]
        {
            typeof(FundsReserved), typeof(ReservationRejected), typeof(FundsReserved), typeof(ReservationRejected),
        }));
        var entries = await _system.AccountClient.ListEntriesAsync(new() { AccountId = account.ToString() });
        Assert.That(entries.Entries.Reverse().Select(x => (x.Kind, x.AvailableAfter.Units, x.HeldAfter.Units)),
            Is.EqualTo(new[]
            {
                (V1.EntryKind.Deposit, 10L, 0L), (V1.EntryKind.Hold, 2L, 8L), (V1.EntryKind.Hold, 0L, 10L),
            }));
    }

    [Test]
    public async Task Should_answer_the_captures_of_a_group_together()
    {
        var account = await OpenAccountAsync(10);
        Guid[] orders = [Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7()];
        await DecideAsync([.. orders.Select(x => FundsCommand.Of(new ReserveFunds(x, account, 1, "EUR")))]);
        FundsCommand Capture(int order, bool sharesAnswer) =>
            FundsCommand.Of(new OrderConfirmed(orders[order], account), sharesAnswer);

        var decisions = await DecideAsync([Capture(0, sharesAnswer: true), Capture(1, sharesAnswer: false),
            Capture(2, sharesAnswer: true), Capture(0, sharesAnswer: true)]);

        Assert.That(decisions[0].Answer, Is.InstanceOf<OrdersCaptured>());
        Assert.That(((OrdersCaptured)decisions[0].Answer!).OrderIds, Is.EqualTo(new[] { orders[0], orders[2] }));
        Assert.That(decisions.Skip(1).Select(x => x.Answer),
            Is.EqualTo(new object?[] { new FundsCaptured(orders[1]), null, null }));
        Assert.That(decisions, Has.None.Property(nameof(FundsDecision.IsPostponed)).True);
        Assert.That(await CountReservationsAsync(account, ReservationStatus.Captured), Is.EqualTo(3));
    }

    [Test]
    public async Task Should_find_a_reservation_that_is_archived()
    {
        var account = await OpenAccountAsync(10);
        var order = OrderId.New(DateTime.UtcNow.AddDays(-400));
        FundsCommand[] commands =
        [
            FundsCommand.Of(new ReserveFunds(order, account, 4, "EUR")),
            FundsCommand.Of(new OrderConfirmed(order, account)),
        ];
        await DecideAsync(commands);
        await QueryAsync(db => db.Database.ExecuteSqlAsync($"""
            update reservations set update_time = update_time - interval '400 days' where order_id = {order};
            select archive_finished(now() - interval '1 day', '00000000-0000-0000-0000-000000000000', 10)
            """));
        Assert.That(await CountReservationsAsync(account), Is.Zero);

        var decisions = await DecideAsync(commands);
        Assert.That(decisions.Select(x => x.Answer),
            Is.EqualTo(new object[] { new FundsReserved(order), new FundsCaptured(order) }));
        Assert.That(await CountReservationsAsync(account), Is.Zero);
        Assert.That(await ReadBalancesAsync(account), Is.EqualTo((6m, 0m)));
        Assert.That(await QueryAsync(db => db.AllLedgerEntries.CountAsync(x => x.OrderId == order)), Is.EqualTo(2));
    }

    [Test]
    public void Should_not_archive_what_is_younger_than_a_day() => Assert.That(() => QueryAsync(db =>
            db.Database.ExecuteSqlAsync($"""
                select archive_finished(now() - interval '23 hours', '00000000-0000-0000-0000-000000000000', 10)
                """)),
        Throws.TypeOf<PostgresException>().With.Message.Contains("within a day"));

    /// <summary>Runs the step for one group, and stores its decisions.</summary>
    async Task<IReadOnlyList<FundsDecision>> DecideAsync(IReadOnlyList<FundsCommand> commands)
    {
        await using var connection = new NpgsqlConnection(_system.Servers.Postgres.Admin(_system.AccountDatabase));
        await connection.OpenAsync();
        var step = new FundsStep(TimeProvider.System);
        BatchDecision<FundsDecision> decision;
        await using (var load = new NpgsqlBatch(connection))
        {
            step.Load(load, commands);
            await using var rows = await load.ExecuteReaderAsync();
            decision = await step.Decide(rows, commands, default);
        }

        await using var write = new NpgsqlBatch(connection);
        foreach (var statement in decision.Statements)
            write.BatchCommands.Add(statement);
        await write.ExecuteNonQueryAsync();
        return [.. decision.Results.Select(x => x.Value!)];
    }

    [Test]
    public async Task Should_end_released_when_reserve_and_release_race()
    {
        var account = await OpenAccountAsync(100);
        var orders = Enumerable.Range(0, 50).Select(_ => Guid.NewGuid()).ToList();
        await ConsumeAsync(orders.SelectMany(x => new[] { Release(x, account), Reserve(x, account, 1) }));
        Assert.That(await CountReservationsAsync(account, ReservationStatus.Released), Is.EqualTo(50));
        Assert.That(await ReadBalancesAsync(account), Is.EqualTo((100m, 0m)));
    }

    [Test]
    public async Task Should_keep_its_events_in_the_outbox_until_order_has_queues()
    {
        var account = await OpenAccountAsync(100);
        var (reserved, released, rejected) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        await ConsumeAsync(
            [Reserve(reserved, account, 1), Release(released, account), Reserve(rejected, account, 1000)]);
        await WaitForEventInOutboxAsync(reserved, nameof(FundsReserved));
        await WaitForEventInOutboxAsync(released, nameof(FundsReleased));
        await WaitForEventInOutboxAsync(rejected, nameof(ReservationRejected));
    }

    static (string Queue, object Message) Reserve(Guid order, Guid account, decimal amount) =>
        ("reserve-funds", new ReserveFunds(order, account, amount, "EUR"));

    static (string Queue, object Message) Release(Guid order, Guid account) =>
        ("release-funds", new ReleaseFunds(order, account, "EUR"));

    /// <summary>Sends messages concurrently, and waits until all are consumed.</summary>
    async Task ConsumeAsync(IEnumerable<(string Queue, object Message)> messages)
    {
        var ids = await Task.WhenAll(messages.Select(async x =>
        {
            var id = NewId.NextGuid();
            var endpoint = await _bus.GetSendEndpoint(new Uri($"exchange:{x.Queue}"));
            await endpoint.Send(x.Message, context => context.MessageId = id);
            return id;
        }));
        await WaitForCountAsync(db => db.Set<InboxState>().Where(x => ids.Contains(x.MessageId)), ids.Length);
    }

    async Task<Guid> OpenAccountAsync(long deposit)
    {
        var account = await _system.AccountClient.OpenAccountAsync(new() { CurrencyCode = "EUR" });
        await _system.AccountClient.DepositAsync(new()
        {
            AccountId = account.AccountId,
            Amount = new() { CurrencyCode = "EUR", Units = deposit },
        });
        return Guid.Parse(account.AccountId);
    }

    Task<int> CountReservationsAsync(Guid account, ReservationStatus? status = null) => QueryAsync(db =>
        db.Reservations.CountAsync(x => x.AccountId == account && (status == null || x.Status == status)));

    Task<int> CountHoldsAsync(Guid account) => QueryAsync(db =>
        db.LedgerEntries.CountAsync(x => x.AccountId == account && x.Kind == EntryKind.Hold));

    async Task<(decimal Available, decimal Held)> ReadBalancesAsync(Guid id)
    {
        var account = await QueryAsync(db => db.Accounts.AsNoTracking().SingleAsync(x => x.AccountId == id));
        return (account.Available, account.Held);
    }

    /// <summary>Waits until Account has stored the event of an order and has tried to send it.</summary>
    Task WaitForEventInOutboxAsync(Guid order, string type) => WaitForCountAsync(db => db.Set<OutboxMessage>()
        .Where(x => x.MessageType.Contains(type) && x.Body.Contains(order.ToString()) && x.Attempts > 0), 1);

    Task WaitForCountAsync<T>(Func<AccountDbContext, IQueryable<T>> rows, int expected)
    {
        var found = -1;
        return Wait.UntilAsync(async () => (found = await QueryAsync(db => rows(db).CountAsync())) == expected,
            TimeSpan.FromSeconds(30), () => $"{expected} rows, not {found}");
    }

    async Task<T> QueryAsync<T>(Func<AccountDbContext, Task<T>> query)
    {
        await using var db = new AccountDbContext(new DbContextOptionsBuilder<AccountDbContext>()
            .UseNpgsql(_system.Servers.Postgres.Admin(_system.AccountDatabase)).UseSnakeCaseNamingConvention().Options);
        return await query(db);
    }
}
