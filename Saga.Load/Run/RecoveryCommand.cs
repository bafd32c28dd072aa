using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Accounts.V1;
using Grpc.Core;
using Local.Host.Servers;
using Local.Host.Services;
using Npgsql;
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

    long _restarted; // by the clock of the order ids, in milliseconds
    long _confirmed; // by Stopwatch; 0 while none was

    /// <returns>The exit code: 0 if it went on every time, and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var servers = await ServerChoice.StartAsync(wellKnownPorts: false, cancellationToken);
        await using var system = await OrderSystem.StartAsync(servers, new OrderSystemOptions { Suffix = $"_recovery{Environment.ProcessId}" }, cancellationToken);
        if (servers.Rabbit is not IStoppable broker)
            throw new InvalidOperationException("the broker is somebody else's: it cannot be restarted here");

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var listening = ListenAsync(servers.Postgres.Admin(system.OrderDatabase), stop.Token);
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
                Volatile.Write(ref _restarted, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds());
                Volatile.Write(ref _confirmed, 0);
                var waiting = Stopwatch.StartNew();
                while (Volatile.Read(ref _confirmed) == 0 && waiting.Elapsed < Patience)
                    await Task.Delay(5, cancellationToken);
                var confirmed = Volatile.Read(ref _confirmed);
                wentOn &= confirmed != 0;
                times.Add(confirmed != 0 ? Stopwatch.GetElapsedTime(started, confirmed).TotalSeconds : double.PositiveInfinity);
            }

            results.AddRow(name, string.Join("  ", times.Select(x => x.ToString("0.00", CultureInfo.InvariantCulture))));
        }

        await Task.Delay(Calm, cancellationToken);
        await stop.CancelAsync();
        await Task.WhenAll(listening, placing);
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

    async Task ListenAsync(string database, CancellationToken stop)
    {
        await using var connection = new NpgsqlConnection(database + ";Pooling=false");
        await connection.OpenAsync(stop);
        connection.Notification += (_, e) =>
        {
            if (Volatile.Read(ref _confirmed) == 0 && e.Payload.Split('\n').Any(IsConfirmedSince))
                Volatile.Write(ref _confirmed, Stopwatch.GetTimestamp());
        };
        await using (var listen = new NpgsqlCommand("listen order_changed", connection))
            await listen.ExecuteNonQueryAsync(stop);
        while (!stop.IsCancellationRequested)
            await connection.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>An order that was placed after the new start: what was under way before may be confirmed without the one that was away.</summary>
    bool IsConfirmedSince(string line) => line.Split('|') is [var id, "Confirmed", ..]
        && long.Parse($"{id[..8]}{id[9..13]}", NumberStyles.HexNumber, CultureInfo.InvariantCulture) > Volatile.Read(ref _restarted); // UUID version 7

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
}
