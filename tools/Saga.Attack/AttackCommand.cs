using Npgsql;
using Saga.Audit;
using Saga.Servers;
using Saga.Services;

namespace Saga.Attack;

/// <summary>
/// Runs two replicas of each service under load and injects faults by a plan made from a seed; then repairs everything,
/// waits until the system is idle, and checks the invariants. All ports are on 127.0.0.1.
/// </summary>
sealed class AttackCommand(double minutes, int seed, double rate, DirectoryInfo folder)
{
    static readonly TimeSpan ReservationTimeout = TimeSpan.FromSeconds(5), MaxRecovery = TimeSpan.FromSeconds(60);

    /// <returns>The exit code: 0 if no invariant is violated.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        folder.Create();
        await using var servers = await ServerChoice.StartAsync(wellKnownPorts: false, cancellationToken);
        Console.WriteLine($"servers: {servers.Description}; seed {seed}");
        await using var network = new AttackNetwork();
        await using var system = await OrderSystem.StartAsync(servers, new OrderSystemOptions
        {
            Suffix = $"_attack{Environment.ProcessId}",
            OrderReplicas = 2,
            AccountReplicas = 2,
            Settings = new Dictionary<string, string>
            {
                ["Saga__ReservationTimeout"] = ReservationTimeout.ToString("c"),
            },
            Adjust = settings => network.Connect(servers, settings),
        }, cancellationToken);
        using var history = new History(Path.Combine(folder.FullName, $"attack-{seed}.jsonl"));
        var orderDatabase = servers.Postgres.Admin(system.OrderDatabase);
        var accountDatabase = servers.Postgres.Admin(system.AccountDatabase);
        await using var messages = new MessageTamperer(new Uri(servers.Rabbit.Amqp(system.VirtualHost)),
            [orderDatabase, accountDatabase], new Random(seed + 1));
        var clients = new AttackClients(system, history, new Random(seed + 2));
        await clients.OpenAccountsAsync();
        await messages.StartAsync();

        var faultTime = TimeSpan.FromMinutes(minutes * 0.85);
        Console.WriteLine($"attack: {faultTime.TotalSeconds:F0} s of faults at {rate} orders/s, then recovery; "
            + $"history in {history.File}");
        using var faultsEnd = new CancellationTokenSource(faultTime);
        var plan = new FaultPlan(system, network, messages, ReservationTimeout, new Random(seed));
        var injector = new FaultInjector(clients, history);
        using var stopRecording = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var recorder = new TimelineRecorder(system, () => history.Now);
        var timeline = recorder.RecordAsync(stopRecording.Token);
        var redelivered = RedeliveryCounter.CountAsync(system, faultsEnd.Token);
        var load = clients.RunAsync(rate, faultTime);
        await Task.WhenAll(injector.RunAsync(plan.OnServices(), faultsEnd.Token),
            injector.RunAsync(plan.OnServers(), faultsEnd.Token));

        await HealAsync(system, network, cancellationToken);
        await load;
        var isIdle = await WaitUntilTerminalAsync(orderDatabase, cancellationToken);
        await stopRecording.CancelAsync();
        var chart = new FileInfo(Path.Combine(folder.FullName, $"attack-{seed}.png"));
        TimelineChart.Draw(await timeline, injector.Faults, $"Attack with seed {seed} at {rate} orders/s", chart);
        Console.WriteLine($"timeline: {chart.FullName}");
        Console.WriteLine($"dead letters that nobody has read: {await messages.StopAsync():N0}");

        var violations = new List<string>();
        foreach (var replica in system.Orders)
            if (await clients.ProbeAsync(MaxRecovery, replica) == null)
                violations.Add($"I6: an order placed with {replica.Name} after the last fault was not terminal "
                    + $"{MaxRecovery.TotalSeconds} s later");
        var events = history.Read();
        violations.AddRange(await new HistoryChecker(events, orderDatabase, accountDatabase).CheckAsync());
        var audit = await Auditor.Of(system).AuditAsync(MaxRecovery, cancellationToken);
        violations.AddRange(audit.Violations);
        if (!isIdle)
            violations.Add($"I6: orders were not terminal {MaxRecovery.TotalSeconds} s after the last fault");

        new AttackReport(seed, audit, events, messages, plan.PurgedBatches, await redelivered, injector.Faults,
            violations).Print();
        if (violations.Count > 0)
            CopyLogs(servers.Folder);
        return violations.Count == 0 ? 0 : 1;
    }

    /// <summary>Repairs the network and the servers, starts the replicas that have exited, and waits for all.</summary>
    async Task HealAsync(OrderSystem system, AttackNetwork network, CancellationToken cancellationToken)
    {
        network.Heal();
        await system.Servers.Rabbit.DeletePolicyAsync(system.VirtualHost, MessageLoss.Policy);
        if (system.Servers.Rabbit is IStoppableBroker broker)
            await broker.SetMemoryAlarmAsync(false);
        ServiceReplica[] replicas = [.. system.Orders, .. system.Accounts];
        foreach (var replica in replicas.Where(x => x.HasExited))
            replica.Start();
        try
        {
            foreach (var replica in replicas)
                await replica.WaitUntilReadyAsync(cancellationToken);
        }
        catch (TimeoutException)
        {
            CopyLogs(system.Servers.Folder);
            throw;
        }
    }

    /// <returns>False if an order was not terminal in time.</returns>
    static async Task<bool> WaitUntilTerminalAsync(string database, CancellationToken cancellationToken)
    {
        const string Sql =
            "select count(*) from orders where current_state not in ('Confirmed', 'Rejected', 'Cancelled') "
            + "or (current_state = 'Confirmed' and resend_time is not null)";
        await using var orders = NpgsqlDataSource.Create(database);
        var start = DateTime.UtcNow;
        while (DateTime.UtcNow - start < MaxRecovery)
        {
            await using var open = orders.CreateCommand(Sql);
            if ((long)(await open.ExecuteScalarAsync(cancellationToken))! == 0)
            {
                var seconds = (DateTime.UtcNow - start).TotalSeconds;
                Console.WriteLine($"recovered: no order waited for anything after {seconds:F1} s");
                return true;
            }

            await Task.Delay(100, cancellationToken);
        }

        Console.WriteLine($"not recovered: orders were not terminal after {MaxRecovery.TotalSeconds} s");
        return false;
    }

    void CopyLogs(InstanceFolder logs)
    {
        foreach (var log in Directory.GetFiles(logs.Path, "*.log"))
            File.Copy(log, Path.Combine(folder.FullName, Path.GetFileName(log)), overwrite: true);
        Console.WriteLine($"the logs are kept in {folder.FullName}");
    }
}
