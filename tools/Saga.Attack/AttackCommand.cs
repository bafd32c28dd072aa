using System.Collections.Concurrent;
using System.Globalization;
using Npgsql;
using Saga.Audit;
using Saga.Servers;
using Saga.Services;
using Spectre.Console;

namespace Saga.Attack;

/// <summary>
/// Starts everything, drives orders, and lets go wrong what can, by a plan made from a seed; then heals, waits until it
/// is quiet, and judges. Everything is on 127.0.0.1, and ends by itself.
/// </summary>
sealed class AttackCommand(double minutes, int seed, double rate, DirectoryInfo folder)
{
    static readonly TimeSpan ReservationTimeout = TimeSpan.FromSeconds(5), Patience = TimeSpan.FromSeconds(60);

    readonly ConcurrentDictionary<string, ConcurrentBag<TimeSpan?>> _faults = new();

    /// <returns>The exit code: 0 if nothing was violated.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        folder.Create();
        await using var servers = await ServerChoice.StartAsync(wellKnownPorts: false, cancellationToken);
        Console.WriteLine($"servers: {servers.Description}; seed {seed}");
        var network = new Dictionary<string, (TcpProxy Database, TcpProxy Broker)>();
        await using var system = await OrderSystem.StartAsync(servers, new OrderSystemOptions
        {
            Suffix = $"_attack{Environment.ProcessId}",
            OrderReplicas = 2,
            AccountReplicas = 2,
            Settings = new Dictionary<string, string> { ["Saga__ReservationTimeout"] = ReservationTimeout.ToString("c") },
            Adjust = (replica, settings) => Through(network, servers, replica, settings),
        }, cancellationToken);
        using var history = new History(Path.Combine(folder.FullName, $"attack-{seed}.jsonl"));
        string[] databases = [servers.Postgres.Admin(system.OrderDatabase), servers.Postgres.Admin(system.AccountDatabase)];
        await using var messages = new MessageMeddler(new Uri(servers.Rabbit.Amqp(system.VirtualHost)), databases, new Random(seed + 1));
        var clients = new Clients(system, history, new Random(seed + 2));
        await clients.OpenAsync();
        await messages.RepeatAsync(0, recent: true, newIds: false); // from here on it listens

        var faultTime = TimeSpan.FromMinutes(minutes * 0.85);
        Console.WriteLine($"attack: {faultTime.TotalSeconds:F0} s of faults at {rate} orders/s, then healing; history in {history.File}");
        using var faultsEnd = new CancellationTokenSource(faultTime);
        var plan = new FaultPlan(system, network, messages, ReservationTimeout, new Random(seed));
        var redelivered = CountRedeliveriesAsync(servers, system, faultsEnd.Token);
        var load = clients.RunAsync(rate, faultTime);
        await Task.WhenAll(StrikeAsync(plan.OnServices(), clients, history, faultsEnd.Token), StrikeAsync(plan.OnServers(), clients, history, faultsEnd.Token));

        foreach (var (database, broker) in network.Values)
            (database.Road, broker.Road) = (Road.Open, Road.Open);
        if (servers.Rabbit is IStoppableBroker mended)
            await mended.SetAlarmAsync(false);
        foreach (var replica in system.Orders.Concat(system.Accounts).Where(x => x.HasEnded))
            replica.Start();
        try
        {
            foreach (var replica in system.Orders.Concat(system.Accounts))
                await replica.WaitUntilReadyAsync(cancellationToken);
        }
        catch (TimeoutException)
        {
            KeepLogs(servers.Folder);
            throw;
        }

        await load;
        var healed = history.Now;
        await messages.StopAsync();
        var quiet = await QuietAsync(databases[0], cancellationToken);
        Console.WriteLine($"healed; {(quiet is { } t ? $"every order was terminal {t.TotalSeconds:F1} s later" : $"orders were left open after {Patience.TotalSeconds} s")}");

        var unserved = new List<ServiceReplica>();
        foreach (var replica in system.Orders)
            if (await clients.ProbeAsync(Patience, replica) == null)
                unserved.Add(replica);

        var events = history.Read();
        var violations = new List<string>(await new Checker(events, databases[0], databases[1]).CheckAsync());
        var audit = await Auditor.Of(system).AuditAsync(Patience, cancellationToken);
        violations.AddRange(audit.Violations);
        if (quiet == null)
            violations.Add($"I6: not every order was terminal {Patience.TotalSeconds} s after healing");
        violations.AddRange(unserved.Select(x => $"I6: an order placed with {x.Name} after healing has not ended within {Patience.TotalSeconds} s"));
        Print(audit, events, messages, await redelivered, violations);
        if (violations.Count > 0)
            KeepLogs(servers.Folder);
        foreach (var (database, broker) in network.Values)
        {
            await database.DisposeAsync();
            await broker.DisposeAsync();
        }

        return violations.Count == 0 ? 0 : 1;
    }

    /// <summary>Each process has a network of its own to each server.</summary>
    static Dictionary<string, string> Through(Dictionary<string, (TcpProxy, TcpProxy)> network, IServers servers, string replica,
        IReadOnlyDictionary<string, string> settings)
    {
        var database = new NpgsqlConnectionStringBuilder(settings["ConnectionStrings__Database"]);
        var (toDatabase, toBroker) = (new TcpProxy(database.Host!, database.Port), new TcpProxy(servers.Rabbit.Host, servers.Rabbit.Port));
        network.Add(replica, (toDatabase, toBroker));
        (database.Host, database.Port) = ("127.0.0.1", toDatabase.Port);
        return new Dictionary<string, string>(settings)
        {
            ["ConnectionStrings__Database"] = database.ConnectionString,
            ["ConnectionStrings__RabbitMq"] = new UriBuilder(settings["ConnectionStrings__RabbitMq"]) { Host = "127.0.0.1", Port = toBroker.Port }.Uri.ToString(),
        };
    }

    async Task StrikeAsync(IEnumerable<Fault> faults, Clients clients, History history, CancellationToken end)
    {
        foreach (var fault in faults)
        {
            if (end.IsCancellationRequested)
                return;
            var at = history.Now;
            try
            {
                if (!await fault.Strike())
                    continue;
            }
            catch (Exception e) when (e is NpgsqlException or RabbitMQ.Client.Exceptions.RabbitMQClientException or HttpRequestException or TaskCanceledException or TimeoutException or IOException or InvalidOperationException)
            {
                // What was to be hurt is hurt already, by the other lane.
                history.Add(new Event(at, "fault", Answer.Failed) { Detail = $"{fault.Kind}: {e.Message}" });
                await Task.Delay(200, CancellationToken.None);
                continue;
            }

            var recovery = await clients.ProbeAsync(TimeSpan.FromSeconds(30));
            history.Add(new Event(at, "fault", Answer.Ok) { Detail = $"{fault.Kind}, served again after {recovery?.TotalSeconds:F1} s" });
            _faults.GetOrAdd(fault.Kind, _ => []).Add(recovery);
        }
    }

    static async Task<long> CountRedeliveriesAsync(IServers servers, OrderSystem system, CancellationToken end)
    {
        long all = 0, last = 0;
        while (!end.IsCancellationRequested)
        {
            await Task.Delay(2000, CancellationToken.None);
            try
            {
                var now = await servers.Rabbit.RedeliveredAsync(system.VirtualHost);
                all += now >= last ? now - last : now; // a broker that was restarted counts from nothing
                last = now;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
            {
                // It is down.
            }
        }

        return all;
    }

    static async Task<TimeSpan?> QuietAsync(string database, CancellationToken cancellationToken)
    {
        await using var orders = NpgsqlDataSource.Create(database);
        var start = DateTime.UtcNow;
        while (DateTime.UtcNow - start < Patience)
        {
            await using var open = orders.CreateCommand("select count(*) from orders where current_state not in ('Confirmed', 'Rejected', 'Cancelled')");
            if ((long)(await open.ExecuteScalarAsync(cancellationToken))! == 0)
                return DateTime.UtcNow - start;
            await Task.Delay(100, cancellationToken);
        }

        return null;
    }

    void Print(AuditReport audit, IReadOnlyList<Event> events, MessageMeddler messages, long redelivered, List<string> violations)
    {
        var counts = new Table().Title("attack").AddColumns("counted", "").RoundedBorder();
        foreach (var (name, value) in audit.Counts)
            counts.AddRow(name.EscapeMarkup(), value.EscapeMarkup());
        foreach (var kind in events.Where(x => x.Kind != "fault").GroupBy(x => (x.Kind, x.Answer)).OrderBy(x => x.Key))
            counts.AddRow($"{kind.Key.Kind} {kind.Key.Answer}", $"{kind.Count():N0}");
        counts.AddRow("messages repeated by the attack", $"{messages.Duplicates:N0}");
        counts.AddRow("messages held back by the attack", $"{messages.HeldBack:N0}");
        counts.AddRow("redeliveries by the broker", $"{redelivered:N0}");
        AnsiConsole.Write(counts);

        var faults = new Table().Title($"{_faults.Sum(x => x.Value.Count)} faults of {_faults.Count} kinds").AddColumns("fault", "times", "served again after, median s", "max s").RoundedBorder();
        foreach (var (kind, recoveries) in _faults.OrderBy(x => x.Key))
        {
            var known = recoveries.Select(x => x?.TotalSeconds ?? double.PositiveInfinity).Order().ToList();
            faults.AddRow(kind.EscapeMarkup(), $"{known.Count}", known[known.Count / 2].ToString("F1", CultureInfo.InvariantCulture), known[^1].ToString("F1", CultureInfo.InvariantCulture));
        }

        AnsiConsole.Write(faults);
        foreach (var violation in violations.Take(50))
            AnsiConsole.MarkupLineInterpolated($"[red]violation[/] {violation}");
        AnsiConsole.MarkupLineInterpolated($"seed {seed}: {violations.Count} violations");
    }

    void KeepLogs(InstanceFolder logs)
    {
        foreach (var log in Directory.GetFiles(logs.Path, "*.log"))
            File.Copy(log, Path.Combine(folder.FullName, Path.GetFileName(log)), overwrite: true);
        Console.WriteLine($"the services' logs are kept in {folder.FullName}");
    }
}
