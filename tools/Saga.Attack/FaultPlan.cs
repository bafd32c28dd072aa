using Npgsql;
using Saga.Faults;
using Saga.Servers;
using Saga.Services;

namespace Saga.Attack;

/// <summary>Something that goes wrong and is mended again; the task ends when it is.</summary>
/// <param name="Kind">What it is called in the table.</param>
/// <param name="Strike">Does it; false if it could not be brought about this time.</param>
sealed record Fault(string Kind, Func<Task<bool>> Strike);

/// <summary>The faults there are, and their order by the seed: every kind once before any comes again.</summary>
sealed class FaultPlan(OrderSystem system, IReadOnlyDictionary<string, (TcpProxy Database, TcpProxy Broker)> network, MessageMeddler messages,
    TimeSpan reservationTimeout, Random random)
{
    static readonly string[] FaultPoints = ["before-commit", "after-commit", "after-send", "in-relay", "in-recovery", "in-scheduler"];

    /// <summary>What befalls the services' processes.</summary>
    public IEnumerable<Fault> OnServices() => Shuffled(
    [
        .. Both("killed", KilledAsync),
        .. FaultPoints.Select(x => new Fault($"killed at {x}", () => KilledAtAsync(x))),
        .. Both("stands still", StandsStillAsync),
        .. Both("rolling restart", RollingAsync),
        .. Both("clock off by minutes", ClockOffAsync),
        new Fault("migrated again", async () => await Any(system.Orders).MigrateAsync() == 0 && await Any(system.Accounts).MigrateAsync() == 0),
    ]);

    /// <summary>What befalls the servers, the network and the messages.</summary>
    public IEnumerable<Fault> OnServers()
    {
        var faults = new List<Fault>
        {
            new("broker: connections closed", () => Done(() => system.Servers.Rabbit.CloseConnectionsAsync(system.VirtualHost))),
            new("database: backends terminated", () => Done(TerminateAsync)),
            new("database: connections exhausted", () => Done(ExhaustAsync)),
            new("message repeated, same id", () => Done(() => messages.RepeatAsync(40, recent: true, newIds: false))),
            new("message repeated, new id", () => Done(() => messages.RepeatAsync(40, recent: true, newIds: true))),
            new("message repeated long after", () => Done(() => messages.RepeatAsync(40, recent: false, newIds: random.Next(2) == 0))),
            new("message repeated, inbox forgot it", () => Done(() => messages.RepeatForgottenAsync(40))),
            new("message held back", () => Done(() => messages.HoldBackAsync(reservationTimeout + TimeSpan.FromSeconds(1)))),
        };
        faults.AddRange(new[] { Road.Cut, Road.NothingThere, Road.NothingBack, Road.Slow }.SelectMany(road => new[]
        {
            new Fault($"network to the database: {road}", () => RoadAsync(x => x.Database, road)),
            new Fault($"network to the broker: {road}", () => RoadAsync(x => x.Broker, road)),
        }));
        if (system.Servers.Rabbit is IStoppableBroker rabbit)
            faults.AddRange(
            [
                new("broker: killed", () => RestartAsync(rabbit, Signal.Kill)),
                new("broker: stands still", () => PauseAsync(rabbit)),
                new("broker: takes nothing, short of memory", () => AlarmAsync(rabbit)),
            ]);
        if (system.Servers.Postgres is IStoppable postgres)
            faults.AddRange([new("database: killed", () => RestartAsync(postgres, Signal.Quit)), new("database: stands still", () => PauseAsync(postgres))]);
        return Shuffled(faults);
    }

    IEnumerable<Fault> Shuffled(IReadOnlyList<Fault> kinds)
    {
        while (true)
        {
            var round = kinds.ToArray();
            random.Shuffle(round);
            foreach (var fault in round)
                yield return fault;
        }
    }

    IEnumerable<Fault> Both(string what, Func<IReadOnlyList<ServiceReplica>, Task> strike) =>
    [
        new($"Order {what}", () => Done(() => strike(system.Orders))),
        new($"Account {what}", () => Done(() => strike(system.Accounts))),
    ];

    static async Task<bool> Done(Func<Task> strike)
    {
        await strike();
        return true;
    }

    ServiceReplica Any(IReadOnlyList<ServiceReplica> replicas) => replicas[random.Next(replicas.Count)];

    async Task KilledAsync(IReadOnlyList<ServiceReplica> replicas)
    {
        var replica = Any(replicas);
        await replica.KillAsync();
        await Task.Delay(random.Next(200, 2000));
        replica.Start();
        await ReadyAsync(replica);
    }

    async Task<bool> KilledAtAsync(string point)
    {
        var replica = Any(point is "in-relay" or "in-scheduler" ? system.Orders : random.Next(2) == 0 ? system.Orders : system.Accounts);
        await replica.StopAsync();
        replica.Start(FaultSettings.KillAt(point, point is "in-recovery" or "in-scheduler" ? 1 : random.Next(1, 60)));
        var died = await UntilAsync(() => replica.HasEnded, TimeSpan.FromSeconds(15));
        await replica.KillAsync();
        replica.Start();
        await ReadyAsync(replica);
        return died;
    }

    async Task StandsStillAsync(IReadOnlyList<ServiceReplica> replicas)
    {
        var replica = Any(replicas);
        replica.Send(Signal.Stop);
        await Task.Delay(reservationTimeout + TimeSpan.FromSeconds(1.5));
        replica.Send(Signal.Continue);
    }

    async Task RollingAsync(IReadOnlyList<ServiceReplica> replicas)
    {
        foreach (var replica in replicas)
        {
            await replica.StopAsync();
            replica.Start();
            await ReadyAsync(replica);
        }
    }

    async Task ClockOffAsync(IReadOnlyList<ServiceReplica> replicas)
    {
        var replica = Any(replicas);
        await replica.StopAsync();
        replica.Start(FaultSettings.SkewClock(TimeSpan.FromMinutes(random.Next(2) == 0 ? 4 : -4)));
        await ReadyAsync(replica);
        await Task.Delay(TimeSpan.FromSeconds(4));
        await replica.StopAsync();
        replica.Start();
        await ReadyAsync(replica);
    }

    /// <summary>Not ready in time is no failure here: the servers may be in trouble themselves.</summary>
    static async Task ReadyAsync(ServiceReplica replica)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        try
        {
            await replica.WaitUntilReadyAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            // Healing waits again.
        }
    }

    async Task<bool> RoadAsync(Func<(TcpProxy Database, TcpProxy Broker), TcpProxy> which, Road road)
    {
        var struck = network.Values.Where(_ => random.Next(2) == 0).DefaultIfEmpty(network.Values.First()).Select(which).ToList();
        struck.ForEach(x => x.Road = road);
        await Task.Delay(random.Next(1500, 4000));
        struck.ForEach(x => x.Road = Road.Open);
        return true;
    }

    async Task<bool> RestartAsync(IStoppable server, Signal signal)
    {
        await server.StopAsync(signal);
        await Task.Delay(random.Next(500, 3000));
        await server.StartAsync();
        return true;
    }

    async Task<bool> PauseAsync(IStoppable server)
    {
        await server.PauseAsync();
        await Task.Delay(random.Next(1500, 4000));
        await server.ContinueAsync();
        return true;
    }

    async Task<bool> AlarmAsync(IStoppableBroker broker)
    {
        try
        {
            await broker.SetAlarmAsync(true);
            await Task.Delay(random.Next(2000, 14_000)); // also longer than a message may take to be sent
        }
        finally
        {
            await broker.SetAlarmAsync(false);
        }

        return true;
    }

    async Task TerminateAsync()
    {
        await using var admin = new NpgsqlConnection(system.Servers.Postgres.Admin() + ";Pooling=false");
        await admin.OpenAsync();
        await using var terminate = new NpgsqlCommand("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = any($1) and pid <> pg_backend_pid()", admin)
        {
            Parameters = { new() { Value = new[] { system.OrderDatabase, system.AccountDatabase } } },
        };
        await terminate.ExecuteScalarAsync();
    }

    /// <summary>Takes every connection the server has left, ends the services', and keeps theirs.</summary>
    async Task ExhaustAsync()
    {
        var taken = new List<NpgsqlConnection>();
        try
        {
            await TerminateAsync();
            while (taken.Count < 1000)
            {
                var connection = new NpgsqlConnection(system.Servers.Postgres.Admin() + ";Pooling=false;Timeout=3");
                taken.Add(connection);
                await connection.OpenAsync();
            }
        }
        catch (NpgsqlException)
        {
            await Task.Delay(TimeSpan.FromSeconds(2)); // there are no more
        }
        finally
        {
            foreach (var connection in taken)
                await connection.DisposeAsync();
        }
    }

    static async Task<bool> UntilAsync(Func<bool> condition, TimeSpan patience)
    {
        for (var end = DateTime.UtcNow + patience; DateTime.UtcNow < end; await Task.Delay(50))
            if (condition())
                return true;
        return false;
    }
}
