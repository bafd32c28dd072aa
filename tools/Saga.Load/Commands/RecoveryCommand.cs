using System.Diagnostics;
using System.Globalization;
using Grpc.Core;
using Orders.V1;
using Saga.Audit;
using Saga.Servers;
using Saga.Services;
using Spectre.Console;

namespace Saga.Load;

/// <summary>
/// Kills each service and restarts the broker under load. Measures the time from the restart to the first confirmed
/// order, of those placed since the outage began and of those placed since the restart.
/// </summary>
/// <param name="rate">Orders per second.</param>
/// <param name="repeat">The number of outages of each component.</param>
/// <param name="warmup">The number of orders before the first outage.</param>
sealed class RecoveryCommand(double rate, int repeat, int warmup)
{
    const int WarmupClients = 64;
    // warms up the restarted component and empties all queues
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(25);
    static readonly TimeSpan OutageDuration = TimeSpan.FromSeconds(1);

    volatile FirstConfirmation? _sinceOutage;
    volatile FirstConfirmation? _sinceRestart;

    /// <returns>The exit code: 0 if orders were confirmed after every outage, and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var servers = await ServerChoice.StartAsync(wellKnownPorts: false, cancellationToken);
        await using var system = await OrderSystem.StartAsync(servers,
            new OrderSystemOptions { Suffix = $"_recovery{Environment.ProcessId}" }, cancellationToken);
        if (servers.Rabbit is not IStoppable broker)
            throw new InvalidOperationException(
                "the broker was not started here, so it cannot be restarted: unset ORDERSAGA_RABBITMQ");

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var changes = await OrderChangeListener.StartAsync(servers.Postgres.Admin(system.OrderDatabase),
            (id, state) =>
        {
            _sinceOutage?.OrderChanged(id, state);
            _sinceRestart?.OrderChanged(id, state);
        }, cancellationToken);
        var account = await LoadAccounts.OpenOneAsync(system.AccountClient, hasFunds: true, stop.Token);
        var warmupOptions = new ParallelOptions
        {
            MaxDegreeOfParallelism = WarmupClients,
            CancellationToken = stop.Token,
        };
        await Parallel.ForAsync(0, warmup, warmupOptions,
            async (_, _) => await PlaceOneAsync(system, account, stop.Token));
        var placing = PlaceAsync(system, account, stop.Token);

        var results = new Table()
            .Title($"{rate:F0} orders per second offered; seconds from the restart to the first confirmed order")
            .AddColumns("outage", "placed since the outage began", "placed since the restart").RoundedBorder();
        var hasRecovered = true;
        foreach (var (name, restart) in new (string, Func<Task<long>>)[]
        {
            ("Order killed", () => RestartAsync(system.Orders[0], cancellationToken)),
            ("Account killed", () => RestartAsync(system.Accounts[0], cancellationToken)),
            ("RabbitMQ restarted, from its open port on",
                () => RestartAsync(servers.Rabbit, broker, cancellationToken)),
        })
            hasRecovered &= await MeasureAsync(name, restart, results, cancellationToken);

        await Task.Delay(Pause, cancellationToken);
        await stop.CancelAsync();
        await placing;
        AnsiConsole.Write(results);
        var report = await Auditor.Of(system).AuditAsync(TimeSpan.FromSeconds(60), cancellationToken);
        report.Print();
        return hasRecovered && report.Violations.Count == 0 ? 0 : 1;
    }

    /// <summary>Measures all outages of a component and adds them to the table.</summary>
    /// <returns>False if orders placed since a restart were not confirmed in time.</returns>
    async Task<bool> MeasureAsync(string name, Func<Task<long>> restart, Table results,
        CancellationToken cancellationToken)
    {
        var times = new List<(double SinceOutage, double SinceRestart)>();
        for (var i = 0; i < repeat; i++)
        {
            await Task.Delay(Pause, cancellationToken);
            var restartedAt = await restart();
            times.Add((await _sinceOutage!.SecondsAfterAsync(restartedAt, cancellationToken),
                await _sinceRestart!.SecondsAfterAsync(restartedAt, cancellationToken)));
        }

        static string Text(IEnumerable<double> seconds) =>
            string.Join("  ", seconds.Select(x => x.ToString("0.00", CultureInfo.InvariantCulture)));
        results.AddRow(name, Text(times.Select(x => x.SinceOutage)), Text(times.Select(x => x.SinceRestart)));
        return times.TrueForAll(x => double.IsFinite(x.SinceRestart));
    }

    /// <returns>The time of the restart, in ticks of <see cref="Stopwatch" />.</returns>
    async Task<long> RestartAsync(ServiceReplica replica, CancellationToken cancellationToken)
    {
        await replica.KillAsync();
        _sinceOutage = new FirstConfirmation();
        await Task.Delay(OutageDuration, cancellationToken); // the other components finish their work meanwhile
        _sinceRestart = new FirstConfirmation();
        var restartedAt = Stopwatch.GetTimestamp();
        replica.Start();
        return restartedAt;
    }

    /// <returns>The time when the broker's port was open again, in ticks of <see cref="Stopwatch" />.</returns>
    async Task<long> RestartAsync(RabbitServer address, IStoppable broker, CancellationToken cancellationToken)
    {
        await broker.StopAsync(Signal.Term);
        _sinceOutage = new FirstConfirmation();
        await Task.Delay(OutageDuration, cancellationToken);
        var starting = broker.StartAsync(cancellationToken);
        while (!await Ports.IsOpenAsync(address.Host, address.Port, cancellationToken))
            await Task.Delay(10, cancellationToken);
        var openedAt = Stopwatch.GetTimestamp();
        _sinceRestart = new FirstConfirmation();
        // Its failure would show as an order that is never confirmed.
        _ = starting.ContinueWith(x => x.Exception, TaskContinuationOptions.OnlyOnFaulted);
        return openedAt;
    }

    /// <summary>Offers orders at the rate; orders that fail during an outage are not retried.</summary>
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
            // Calls fail during an outage; the measurement concerns the orders accepted after it.
        }
    }
}
