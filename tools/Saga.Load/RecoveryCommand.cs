using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Grpc.Core;
using Orders.V1;
using Saga.Audit;
using Saga.Servers;
using Saga.Services;
using Spectre.Console;

namespace Saga.Load;

/// <summary>
/// Kills a service, or restarts the broker, while orders come in, and says how long after its new start the first order is confirmed:
/// of those that were placed since it was away, and of those that were placed since it was started again.
/// </summary>
sealed class RecoveryCommand(double rate, int repeat, int warmup)
{
    const int WarmupClients = 64;
    static readonly TimeSpan Calm = TimeSpan.FromSeconds(25); // what was started last is warm again, and nothing waits
    static readonly TimeSpan Down = TimeSpan.FromSeconds(1);
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    volatile FirstOrder? _sinceAway;
    volatile FirstOrder? _sinceStarted;

    /// <returns>The exit code: 0 if it went on every time, and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var servers = await ServerChoice.StartAsync(wellKnownPorts: false, cancellationToken);
        await using var system = await OrderSystem.StartAsync(servers, new OrderSystemOptions { Suffix = $"_recovery{Environment.ProcessId}" }, cancellationToken);
        if (servers.Rabbit is not IStoppable broker)
            throw new InvalidOperationException("the broker is somebody else's: it cannot be restarted here");

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var changes = await OrderChanges.ListenAsync(servers.Postgres.Admin(system.OrderDatabase),
            (id, state) =>
            {
                _sinceAway?.Changed(id, state);
                _sinceStarted?.Changed(id, state);
            }, cancellationToken);
        var account = await LoadSession.OpenAccountAsync(system.AccountClient, canPay: true, stop.Token);
        await Parallel.ForAsync(0, warmup, new ParallelOptions { MaxDegreeOfParallelism = WarmupClients, CancellationToken = stop.Token },
            async (_, _) => await PlaceOneAsync(system, account, stop.Token));
        var placing = PlaceAsync(system, account, stop.Token);
        var results = new Table().Title($"{rate:F0} orders a second offered; from the new start to the first order that is confirmed, seconds")
            .AddColumns("what", "placed since it was away", "placed since its new start").RoundedBorder();
        var wentOn = true;
        foreach (var (name, restart) in new (string, Func<Task<long>>)[]
        {
            ("Order, killed", () => RestartAsync(system.Orders[0], cancellationToken)),
            ("Account, killed", () => RestartAsync(system.Accounts[0], cancellationToken)),
            ("RabbitMQ, restarted, from its port's opening", () => RestartAsync(servers, broker, cancellationToken)),
        })
        {
            var times = new List<(double Away, double Started)>();
            for (var i = 0; i < repeat; i++)
            {
                await Task.Delay(Calm, cancellationToken);
                var started = await restart();
                times.Add((await _sinceAway!.After(started, cancellationToken), await _sinceStarted!.After(started, cancellationToken)));
                wentOn &= double.IsFinite(times[i].Started);
            }

            string Text(Func<(double Away, double Started), double> which) =>
                string.Join("  ", times.Select(x => which(x).ToString("0.00", CultureInfo.InvariantCulture)));
            results.AddRow(name, Text(x => x.Away), Text(x => x.Started));
        }

        await Task.Delay(Calm, cancellationToken);
        await stop.CancelAsync();
        await placing;
        AnsiConsole.Write(results);
        var report = await Auditor.Of(system).AuditAsync(TimeSpan.FromSeconds(60), cancellationToken);
        report.Print();
        return wentOn && report.Violations.Count == 0 ? 0 : 1;
    }

    async Task<long> RestartAsync(ServiceReplica replica, CancellationToken cancellationToken)
    {
        await replica.KillAsync();
        _sinceAway = new FirstOrder();
        await Task.Delay(Down, cancellationToken); // what was under way elsewhere has ended
        _sinceStarted = new FirstOrder();
        var started = Stopwatch.GetTimestamp();
        replica.Start();
        return started;
    }

    async Task<long> RestartAsync(IServers servers, IStoppable broker, CancellationToken cancellationToken)
    {
        await broker.StopAsync(Signal.Term);
        _sinceAway = new FirstOrder();
        await Task.Delay(Down, cancellationToken);
        var starting = broker.StartAsync(cancellationToken);
        while (true)
            try
            {
                using var probe = new TcpClient();
                await probe.ConnectAsync(servers.Rabbit.Host, servers.Rabbit.Port, cancellationToken);
                var opened = Stopwatch.GetTimestamp();
                _sinceStarted = new FirstOrder();
                _ = starting.ContinueWith(x => x.Exception, TaskContinuationOptions.OnlyOnFaulted);
                return opened;
            }
            catch (SocketException)
            {
                await Task.Delay(10, cancellationToken);
            }
    }

    /// <summary>Offers orders; those that a killed service cannot take are not offered again.</summary>
    async Task PlaceAsync(OrderSystem system, string account, CancellationToken stop)
    {
        var pace = new Pace(rate);
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            await pace.UntilAsync(i, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _ = PlaceOneAsync(system, account, stop);
        }
    }

    static async Task PlaceOneAsync(OrderSystem system, string account, CancellationToken stop)
    {
        try
        {
            await system.OrderClient.CreateOrderAsync(new CreateOrderRequest
            {
                AccountId = account,
                Items = { new OrderItem { Sku = "recovery", Quantity = 1, UnitPrice = Euros.Of(1) } },
            }, deadline: DateTime.UtcNow.AddSeconds(10), cancellationToken: stop);
        }
        catch (RpcException)
        {
            // The service is away, or full: what is measured is what it does when it is back.
        }
    }

    /// <summary>The first confirmed one of the orders that are placed from now on.</summary>
    sealed class FirstOrder
    {
        readonly Guid _since = Guid.CreateVersion7(); // order ids are of version 7, too: in the order of their times
        readonly TaskCompletionSource<long> _confirmed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Changed(Guid orderId, string state)
        {
            if (state == "Confirmed" && orderId > _since)
                _confirmed.TrySetResult(Stopwatch.GetTimestamp());
        }

        /// <summary>Seconds from a time by <see cref="Stopwatch" /> to its confirmation; infinite if it never is.</summary>
        public async Task<double> After(long started, CancellationToken cancellationToken)
        {
            try
            {
                return Stopwatch.GetElapsedTime(started, await _confirmed.Task.WaitAsync(Patience, cancellationToken)).TotalSeconds;
            }
            catch (TimeoutException)
            {
                return double.PositiveInfinity;
            }
        }
    }
}
