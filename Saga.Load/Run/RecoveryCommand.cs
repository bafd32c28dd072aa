using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Accounts.V1;
using Grpc.Core;
using Local.Host.Servers;
using Local.Host.Services;
using Orders.V1;
using Saga.Load.Audit;
using Spectre.Console;

namespace Saga.Load.Run;

/// <summary>
/// Kills a service, or restarts the broker, while orders come in, and says how long after its new start the first new order is confirmed.
/// </summary>
sealed class RecoveryCommand(double rate, int repeat)
{
    static readonly TimeSpan Calm = TimeSpan.FromSeconds(6);
    static readonly TimeSpan Down = TimeSpan.FromSeconds(1);
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    volatile FirstNewOrder? _awaited;

    /// <returns>The exit code: 0 if it went on every time, and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var servers = await ServerChoice.StartAsync(wellKnownPorts: false, cancellationToken);
        await using var system = await OrderSystem.StartAsync(servers, new OrderSystemOptions { Suffix = $"_recovery{Environment.ProcessId}" }, cancellationToken);
        if (servers.Rabbit is not IStoppable broker)
            throw new InvalidOperationException("the broker is somebody else's: it cannot be restarted here");

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var changes = await OrderChanges.ListenAsync(servers.Postgres.Admin(system.OrderDatabase),
            (id, state) => _awaited?.Changed(id, state), cancellationToken);
        var placing = PlaceAsync(system, stop.Token);
        var results = new Table().Title($"{rate:F0} orders a second offered; from the new start to the first new order that is confirmed").AddColumns("what", "seconds").RoundedBorder();
        var wentOn = true;
        foreach (var (name, restart) in new (string, Func<Task<long>>)[]
        {
            ("Order, killed", () => RestartAsync(system.Orders[0], cancellationToken)),
            ("Account, killed", () => RestartAsync(system.Accounts[0], cancellationToken)),
            ("RabbitMQ, restarted, from its port's opening", () => RestartAsync(servers, broker, cancellationToken)),
        })
        {
            var times = new List<double>();
            for (var i = 0; i < repeat; i++)
            {
                await Task.Delay(Calm, cancellationToken);
                var started = await restart();
                var awaited = _awaited = new FirstNewOrder();
                try
                {
                    times.Add(Stopwatch.GetElapsedTime(started, await awaited.Confirmed.WaitAsync(Patience, cancellationToken)).TotalSeconds);
                }
                catch (TimeoutException)
                {
                    wentOn = false;
                    times.Add(double.PositiveInfinity);
                }
            }

            results.AddRow(name, string.Join("  ", times.Select(x => x.ToString("0.00", CultureInfo.InvariantCulture))));
        }

        await Task.Delay(Calm, cancellationToken);
        await stop.CancelAsync();
        await placing;
        AnsiConsole.Write(results);
        var report = await new Auditor(servers.Postgres.Admin(system.OrderDatabase), servers.Postgres.Admin(system.AccountDatabase), null)
            .AuditAsync(TimeSpan.FromSeconds(60), cancellationToken);
        report.Print();
        return wentOn && report.Violations.Count == 0 ? 0 : 1;
    }

    static async Task<long> RestartAsync(ServiceReplica replica, CancellationToken cancellationToken)
    {
        await replica.KillAsync();
        await Task.Delay(Down, cancellationToken); // what was under way elsewhere has ended
        var started = Stopwatch.GetTimestamp();
        replica.Start();
        return started;
    }

    static async Task<long> RestartAsync(IServers servers, IStoppable broker, CancellationToken cancellationToken)
    {
        await broker.StopAsync(Signal.Term);
        await Task.Delay(Down, cancellationToken);
        var starting = broker.StartAsync(cancellationToken);
        while (true)
            try
            {
                using var probe = new TcpClient();
                await probe.ConnectAsync(servers.Rabbit.Host, servers.Rabbit.Port, cancellationToken);
                var opened = Stopwatch.GetTimestamp();
                _ = starting.ContinueWith(x => x.Exception, TaskContinuationOptions.OnlyOnFaulted);
                return opened;
            }
            catch (SocketException)
            {
                await Task.Delay(10, cancellationToken);
            }
    }

    /// <summary>Offers orders; those that a killed service cannot take are not offered again.</summary>
    async Task PlaceAsync(OrderSystem system, CancellationToken stop)
    {
        var account = await system.AccountClient.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" }, cancellationToken: stop);
        await system.AccountClient.DepositAsync(new DepositRequest { AccountId = account.AccountId, Amount = Euros.Of(1_000_000_000) }, cancellationToken: stop);
        var pace = new Pace(rate);
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            await pace.UntilAsync(i, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _ = PlaceOneAsync();
        }

        async Task PlaceOneAsync()
        {
            try
            {
                await system.OrderClient.CreateOrderAsync(new CreateOrderRequest
                {
                    AccountId = account.AccountId,
                    Items = { new OrderItem { Sku = "recovery", Quantity = 1, UnitPrice = Euros.Of(1) } },
                }, deadline: DateTime.UtcNow.AddSeconds(10), cancellationToken: stop);
            }
            catch (RpcException)
            {
                // The service is away, or full: what is measured is what it does when it is back.
            }
        }
    }

    /// <summary>Waits for an order that was placed after now: what was under way before may be confirmed without the one that was away.</summary>
    sealed class FirstNewOrder
    {
        readonly Guid _since = Guid.CreateVersion7(); // order ids are of version 7, too: in the order of their times
        readonly TaskCompletionSource<long> _confirmed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>When it was, by <see cref="Stopwatch" />.</summary>
        public Task<long> Confirmed => _confirmed.Task;

        public void Changed(Guid orderId, string state)
        {
            if (state == "Confirmed" && orderId > _since)
                _confirmed.TrySetResult(Stopwatch.GetTimestamp());
        }
    }
}
