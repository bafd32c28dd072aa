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

namespace Saga.Tests.Messaging;

/// <summary>Account alone, spoken to by raw messages as no well-behaved Order would send them.</summary>
[TestFixture, Category("Integration")]
public sealed class When_funds_are_asked_for_at_once
{
    readonly string _suffix = TestServers.NewName("_funds");
    OrderSystem _system = null!;
    ServiceProvider _sender = null!;
    IBusControl _bus = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        var servers = await TestServers.GetAsync();
        _system = await OrderSystem.StartAsync(servers, new OrderSystemOptions { Suffix = _suffix, OrderReplicas = 0, AccountReplicas = 2 });
        _sender = new ServiceCollection().AddMassTransit(x =>
        {
            x.DisableUsageTelemetry();
            x.UsingRabbitMq((_, rabbit) => rabbit.Host(new Uri(servers.Rabbit.Amqp(_system.VirtualHost))));
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
    public async Task Should_never_go_below_zero_with_200_messages_on_one_account()
    {
        var account = await OpenAsync(50);
        await ConsumeAsync(Enumerable.Range(0, 200).Select(_ => Reserve(Guid.NewGuid(), account, 1)));
        Assert.That(await CountAsync(db => db.Reservations.Where(x => x.AccountId == account)), Is.EqualTo(200));
        Assert.That(await CountAsync(db => db.Reservations.Where(x => x.AccountId == account && x.Status == ReservationStatus.Held)), Is.EqualTo(50));
        Assert.That(await CountAsync(db => db.Accounts.Where(x => x.AccountId == account && x.Available == 0 && x.Held == 50)), Is.EqualTo(1));
        Assert.That(await CountAsync(db => db.LedgerEntries.Where(x => x.AccountId == account && x.Kind == EntryKind.Hold)), Is.EqualTo(50));
    }

    [Test]
    public async Task Should_hold_once_when_one_order_asks_50_times_with_new_message_ids()
    {
        var (account, order) = (await OpenAsync(50), Guid.NewGuid());
        await ConsumeAsync(Enumerable.Range(0, 50).Select(_ => Reserve(order, account, 10)));
        Assert.That(await CountAsync(db => db.Reservations.Where(x => x.AccountId == account)), Is.EqualTo(1));
        Assert.That(await CountAsync(db => db.Accounts.Where(x => x.AccountId == account && x.Available == 40 && x.Held == 10)), Is.EqualTo(1));
        Assert.That(await CountAsync(db => db.LedgerEntries.Where(x => x.AccountId == account && x.Kind == EntryKind.Hold)), Is.EqualTo(1));
    }

    [Test]
    public async Task Should_decide_for_a_group_in_the_order_in_which_they_came()
    {
        var account = await OpenAsync(10);
        var commands = new[] { 8m, 5, 2, 1 }.Select(x => FundsCommand.Of(new ReserveFunds(Guid.CreateVersion7(), account, x, "EUR"))).ToList();
        await using var connection = new NpgsqlConnection(_system.Servers.Postgres.Admin(_system.AccountDatabase));
        await connection.OpenAsync();
        var step = new FundsStep(TimeProvider.System);
        BatchDecision<object?> decision;
        await using (var load = new NpgsqlBatch(connection))
        {
            step.Load(load, commands);
            await using var rows = await load.ExecuteReaderAsync();
            decision = await step.Decide(rows, commands, default);
        }

        await using (var write = new NpgsqlBatch(connection))
        {
            foreach (var statement in decision.Statements)
                write.BatchCommands.Add(statement);
            await write.ExecuteNonQueryAsync();
        }

        Assert.That(decision.Results.Select(x => x.Value?.GetType().Name),
            Is.EqualTo(new[] { nameof(FundsReserved), nameof(ReservationRejected), nameof(FundsReserved), nameof(ReservationRejected) }));
        var entries = await _system.AccountClient.ListEntriesAsync(new() { AccountId = account.ToString() });
        Assert.That(entries.Entries.Reverse().Select(x => (x.Kind, x.AvailableAfter.Units, x.HeldAfter.Units)),
            Is.EqualTo(new[] { (Accounts.V1.EntryKind.Deposit, 10L, 0L), (Accounts.V1.EntryKind.Hold, 2L, 8L), (Accounts.V1.EntryKind.Hold, 0L, 10L) }));
    }

    [Test]
    public async Task Should_end_released_when_reserve_and_release_race()
    {
        var account = await OpenAsync(100);
        var orders = Enumerable.Range(0, 50).Select(_ => Guid.NewGuid()).ToList();
        await ConsumeAsync(orders.SelectMany(x => new[] { Release(x, account), Reserve(x, account, 1) }));
        Assert.That(await CountAsync(db => db.Reservations.Where(x => x.AccountId == account && x.Status == ReservationStatus.Released)), Is.EqualTo(50));
        Assert.That(await CountAsync(db => db.Accounts.Where(x => x.AccountId == account && x.Available == 100 && x.Held == 0)), Is.EqualTo(1));
    }

    [Test]
    public async Task Should_keep_its_answers_until_order_is_there_to_take_them()
    {
        var account = await OpenAsync(100);
        var (reserved, released, rejected) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        await ConsumeAsync([Reserve(reserved, account, 1), Release(released, account), Reserve(rejected, account, 1000)]);
        foreach (var (order, answer) in new[] { (reserved, nameof(FundsReserved)), (released, nameof(FundsReleased)), (rejected, nameof(ReservationRejected)) })
            await UntilAsync(db => db.Set<OutboxMessage>().Where(x => x.MessageType.Contains(answer) && x.Body.Contains(order.ToString()) && x.Attempts > 0), 1);
    }

    static (string Queue, object Message) Reserve(Guid order, Guid account, decimal amount) => ("reserve-funds", new ReserveFunds(order, account, amount, "EUR"));

    static (string Queue, object Message) Release(Guid order, Guid account) => ("release-funds", new ReleaseFunds(order, account, "EUR"));

    /// <summary>Sends messages side by side, and waits until the last is consumed.</summary>
    async Task ConsumeAsync(IEnumerable<(string Queue, object Message)> messages)
    {
        var ids = await Task.WhenAll(messages.Select(async x =>
        {
            var id = NewId.NextGuid();
            var endpoint = await _bus.GetSendEndpoint(new Uri($"exchange:{x.Queue}"));
            await endpoint.Send(x.Message, context => context.MessageId = id);
            return id;
        }));
        await UntilAsync(db => db.Set<InboxState>().Where(x => ids.Contains(x.MessageId)), ids.Length);
    }

    async Task<Guid> OpenAsync(long deposit)
    {
        var account = await _system.AccountClient.OpenAccountAsync(new() { CurrencyCode = "EUR" });
        await _system.AccountClient.DepositAsync(new() { AccountId = account.AccountId, Amount = new() { CurrencyCode = "EUR", Units = deposit } });
        return Guid.Parse(account.AccountId);
    }

    async Task<int> CountAsync<T>(Func<AccountDbContext, IQueryable<T>> rows)
    {
        await using var db = new AccountDbContext(new DbContextOptionsBuilder<AccountDbContext>()
            .UseNpgsql(_system.Servers.Postgres.Admin(_system.AccountDatabase)).UseSnakeCaseNamingConvention().Options);
        return await rows(db).CountAsync();
    }

    Task UntilAsync<T>(Func<AccountDbContext, IQueryable<T>> rows, int expected)
    {
        var found = -1;
        return Wait.UntilAsync(async () => (found = await CountAsync(rows)) == expected, TimeSpan.FromSeconds(30), () => $"{expected}, not {found}");
    }
}
