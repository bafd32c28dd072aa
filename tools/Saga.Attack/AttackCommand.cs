using Npgsql;
using Saga.Audit;
using Saga.Servers;
using Saga.Services;

namespace Saga.Attack;

/// <summary>
/// Runs two replicas of each service under load and injects faults by a plan made from a seed; then repairs everything,
/// waits until the system is idle, and checks the invariants. All ports are on 127.0.0.1.
/// </summary>
/// <param name="minutes">The duration, including the recovery.</param>
/// <param name="seed">The seed of the faults and the load.</param>
/// <param name="rate">Orders per second.</param>
/// <param name="isCluster">Whether the servers are clusters, whose faults are injected.</param>
/// <param name="folder">The folder of the results.</param>
sealed class AttackCommand(double minutes, int seed, double rate, bool isCluster, DirectoryInfo folder)
{
    static readonly TimeSpan ReservationTimeout = TimeSpan.FromSeconds(5), MaxRecovery = TimeSpan.FromSeconds(60);

    /// <returns>The exit code: 0 if no invariant is violated.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        folder.Create();
        await using IAttackPlan plan = isCluster ? new ClusterPlan() : new SingleServersPlan(ReservationTimeout);
        await using var servers = await plan.StartServersAsync(cancellationToken);
        Console.WriteLine($"servers: {servers.Description}; seed {seed}");
        await using var system = await OrderSystem.StartAsync(servers, plan.Configure(new OrderSystemOptions
        {
            Suffix = $"_attack{Environment.ProcessId}",
            OrderReplicas = 2,
            AccountReplicas = 2,
            Settings = new Dictionary<string, string>
            {
                ["Saga__ReservationTimeout"] = ReservationTimeout.ToString("c"),
            },
        }, servers), cancellationToken);
        using var history = new History(Path.Combine(folder.FullName, $"attack-{seed}.jsonl"));
        var orderDatabase = servers.Postgres.Admin(system.OrderDatabase);
        var accountDatabase = servers.AccountPostgres.Admin(system.AccountDatabase);
        var clients = new AttackClients(system, history, new Random(seed + 2));
        await clients.OpenAccountsAsync();
        var faults = await plan.StartAsync(system, seed);

        var faultTime = TimeSpan.FromMinutes(minutes * 0.85);
        Console.WriteLine($"attack: {faultTime.TotalSeconds:F0} s of faults at {rate} orders/s, then recovery; "
            + $"history in {history.File}");
        using var faultsEnd = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        faultsEnd.CancelAfter(faultTime);
        var injector = new FaultInjector(clients, history, faultsOverlap: faults.Count > 1);
        using var stopRecording = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var recorder = new TimelineRecorder(system, () => history.Now);
        var timeline = recorder.RecordAsync(stopRecording.Token);
        var redelivered = RedeliveryCounter.CountAsync(system, faultsEnd.Token);
        var load = clients.RunAsync(rate, faultsEnd.Token);
        try
        {
            await Task.WhenAll(faults.Select(x => injector.RunAsync(x, faultsEnd.Token)));
            await HealAsync(plan, system, cancellationToken);
        }
        catch (TimeoutException)
        {
            CopyLogs(servers.Folder);
            throw;
        }

        await load;
        var isIdle = await WaitUntilTerminalAsync(orderDatabase, cancellationToken);
        await stopRecording.CancelAsync();
        var chart = new FileInfo(Path.Combine(folder.FullName, $"attack-{seed}.png"));
        TimelineChart.Draw(await timeline, injector.Faults, $"Attack with seed {seed} at {rate} orders/s", chart);
        Console.WriteLine($"timeline: {chart.FullName}");
        var counts = await plan.StopAsync();

        var violations = new List<string>();
        violations.AddRange(injector.Faults.Where(x => x.IsTooSlow).Select(x =>
            $"\"{x.Kind}\" at {x.At:F1} s: an order was not terminal {x.MaxRecovery!.Value.TotalSeconds} s later"));
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

        new AttackReport(seed, audit, events, [.. counts, ("redeliveries by the broker", await redelivered)],
            injector.Faults, violations).Print();
        if (violations.Count > 0)
            CopyLogs(servers.Folder);
        return violations.Count == 0 ? 0 : 1;
    }

    /// <summary>Repairs the servers, starts the replicas that have exited, and waits for all.</summary>
    static async Task HealAsync(IAttackPlan plan, OrderSystem system, CancellationToken cancellationToken)
    {
        await plan.HealAsync(cancellationToken);
        ServiceReplica[] replicas = [.. system.Orders, .. system.Accounts];
        foreach (var replica in replicas.Where(x => x.HasExited))
            replica.Start();
        foreach (var replica in replicas)
            await replica.WaitUntilReadyAsync(cancellationToken);
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
        foreach (var log in Directory.GetFiles(logs.Path, "*.log", SearchOption.AllDirectories))
            File.Copy(log, Path.Combine(folder.FullName, Path.GetFileName(log)), overwrite: true);
        Console.WriteLine($"the logs are kept in {folder.FullName}");
    }
}
