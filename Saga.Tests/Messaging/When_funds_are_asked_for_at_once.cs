using Accounts;
using Contracts;
using Local.Host.Servers;
using Local.Host.Services;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

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
        await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => SendAsync("reserve-funds", new ReserveFunds(Guid.NewGuid(), account, 1, "EUR"))));
        await UntilAsync(db => db.Reservations.CountAsync(x => x.AccountId == account), 200);
        await UntilAsync(db => db.Reservations.CountAsync(x => x.AccountId == account && x.Status == ReservationStatus.Held), 50);
        await UntilAsync(db => db.Accounts.CountAsync(x => x.AccountId == account && x.Available == 0 && x.Held == 50), 1);
        await UntilAsync(db => db.LedgerEntries.CountAsync(x => x.AccountId == account && x.Kind == EntryKind.Hold), 50);
    }

    [Test]
    public async Task Should_hold_once_when_one_order_asks_50_times_with_new_message_ids()
    {
        var (account, order) = (await OpenAsync(50), Guid.NewGuid());
        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => SendAsync("reserve-funds", new ReserveFunds(order, account, 10, "EUR"))));
        await SendAsync("reserve-funds", new ReserveFunds(Guid.NewGuid(), account, 1, "EUR"));
        await UntilAsync(db => db.Reservations.CountAsync(x => x.AccountId == account), 2);
        await UntilAsync(db => db.Accounts.CountAsync(x => x.AccountId == account && x.Held == 11), 1);
    }

    [Test]
    public async Task Should_end_released_when_reserve_and_release_race()
    {
        var account = await OpenAsync(100);
        var orders = Enumerable.Range(0, 50).Select(_ => Guid.NewGuid()).ToList();
        await Task.WhenAll(orders.SelectMany(x => new[]
        {
            SendAsync("release-funds", new ReleaseFunds(x, account, "EUR")),
            SendAsync("reserve-funds", new ReserveFunds(x, account, 1, "EUR")),
        }));
        await UntilAsync(db => db.Reservations.CountAsync(x => x.AccountId == account && x.Status == ReservationStatus.Released), 50);
        await UntilAsync(db => db.Accounts.CountAsync(x => x.AccountId == account && x.Available == 100 && x.Held == 0), 1);
    }

    [Test]
    public async Task Should_keep_its_answers_until_order_is_there_to_take_them()
    {
        var (account, order) = (await OpenAsync(100), Guid.NewGuid());
        await SendAsync("reserve-funds", new ReserveFunds(order, account, 1, "EUR"));
        await SendAsync("release-funds", new ReleaseFunds(Guid.NewGuid(), account, "EUR"));
        await SendAsync("reserve-funds", new ReserveFunds(Guid.NewGuid(), account, 1000, "EUR"));
        foreach (var answer in new[] { nameof(FundsReserved), nameof(FundsReleased), nameof(ReservationRejected) })
            await UntilAsync(async db => await db.Set<OutboxMessage>().AnyAsync(x => x.MessageType.Contains(answer) && x.Attempts > 0) ? 1 : 0, 1);
    }

    async Task<Guid> OpenAsync(long deposit)
    {
        var account = await _system.AccountClient.OpenAccountAsync(new() { CurrencyCode = "EUR" });
        await _system.AccountClient.DepositAsync(new() { AccountId = account.AccountId, Amount = new() { CurrencyCode = "EUR", Units = deposit } });
        return Guid.Parse(account.AccountId);
    }

    async Task SendAsync(string queue, object message) =>
        await (await _bus.GetSendEndpoint(new Uri($"exchange:{queue}"))).Send(message);

    Task UntilAsync(Func<AccountDbContext, Task<int>> count, int expected)
    {
        var found = -1;
        return Wait.UntilAsync(async () =>
        {
            await using var db = new AccountDbContext(new DbContextOptionsBuilder<AccountDbContext>()
                .UseNpgsql(_system.Servers.Postgres.Admin(_system.AccountDatabase)).UseSnakeCaseNamingConvention().Options);
            return (found = await count(db)) == expected;
        }, TimeSpan.FromSeconds(30), () => $"{expected}, not {found}");
    }
}
