using Saga.Faults;
using Saga.Servers;
using Saga.Services;

namespace Saga.Attack;

/// <summary>Faults of the services' processes. Each injects a fault into a random replica and repairs it.</summary>
sealed class ServiceFaults(OrderSystem system, TimeSpan reservationTimeout, Random random)
{
    public async Task KillAsync(IReadOnlyList<ServiceReplica> replicas)
    {
        var replica = Any(replicas);
        await replica.KillAsync();
        await Task.Delay(random.Next(200, 2000));
        await StartAsync(replica);
    }

    /// <summary>Makes a replica kill itself at a fault point.</summary>
    /// <returns>False if the replica did not reach the point in time.</returns>
    public async Task<bool> KillAtAsync(string point)
    {
        var isInOrder = point is "in-dispatch" or "in-scheduler" || random.Next(2) == 0;
        var replica = Any(isInOrder ? system.Orders : system.Accounts);
        await replica.StopAsync();
        var maxHit = point switch
        {
            "in-recovery" or "in-scheduler" => 1,
            "in-batch-settlement" => 10,
            _ => 60,
        };
        replica.Start(FaultSettings.KillAt(point, random.Next(1, maxHit + 1)));
        var wasKilled = await HasExitedAsync(replica, TimeSpan.FromSeconds(15));
        await replica.KillAsync();
        await StartAsync(replica);
        return wasKilled;
    }

    /// <summary>Pauses a replica for longer than the reservation timeout.</summary>
    public async Task PauseAsync(IReadOnlyList<ServiceReplica> replicas)
    {
        var replica = Any(replicas);
        replica.Send(Signal.Stop);
        await Task.Delay(reservationTimeout + TimeSpan.FromSeconds(1.5));
        replica.Send(Signal.Continue);
    }

    public async Task RollingRestartAsync(IReadOnlyList<ServiceReplica> replicas)
    {
        foreach (var replica in replicas)
        {
            await replica.StopAsync();
            await StartAsync(replica);
        }
    }

    /// <summary>Runs a replica with a clock that is four minutes wrong.</summary>
    public async Task SkewClockAsync(IReadOnlyList<ServiceReplica> replicas)
    {
        var replica = Any(replicas);
        await replica.StopAsync();
        await StartAsync(replica, FaultSettings.SkewClock(TimeSpan.FromMinutes(random.Next(2) == 0 ? 4 : -4)));
        await Task.Delay(TimeSpan.FromSeconds(4));
        await replica.StopAsync();
        await StartAsync(replica);
    }

    /// <summary>Runs the migrations of both services while the services run.</summary>
    /// <returns>False if a migration failed.</returns>
    public async Task<bool> MigrateAsync()
    {
        try
        {
            await system.MigrateAsync();
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    ServiceReplica Any(IReadOnlyList<ServiceReplica> replicas) => replicas[random.Next(replicas.Count)];

    /// <summary>
    /// Starts a replica and waits for it. A concurrent fault of a server may delay it: that is no failure.
    /// </summary>
    static async Task StartAsync(ServiceReplica replica, IReadOnlyDictionary<string, string>? settings = null)
    {
        replica.Start(settings);
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        try
        {
            await replica.WaitUntilReadyAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            // The attack waits for all replicas again after its last fault.
        }
    }

    static async Task<bool> HasExitedAsync(ServiceReplica replica, TimeSpan timeout)
    {
        for (var end = DateTime.UtcNow + timeout; DateTime.UtcNow < end; await Task.Delay(50))
            if (replica.HasExited)
                return true;
        return false;
    }
}
