using Accounts;

namespace Saga.Simulation;

/// <summary>One run: random requests and faults first; then the faults end, and the system must become idle.</summary>
sealed class Scenario(World world)
{
    const int MaxSteps = 50_000;

    public void Run()
    {
        var hadFaults = world.HasFaults;
        var actions = new RandomActions(world, OpenAccounts());
        var wantedOrders = world.Random.Next(20, 51);
        while (world.StepCount++ < MaxSteps && actions.Clients.Count < wantedOrders)
            actions.RunOne();
        for (var more = world.Random.Next(0, 400); more > 0 && world.StepCount++ < MaxSteps; more--)
            actions.RunOne();
        Heal();
        while (world.StepCount++ < MaxSteps)
            if (!Settle(actions))
                break;
        if (world.StepCount >= MaxSteps)
            world.Invariants.Violated($"I9: not idle after {MaxSteps} steps");
        world.Invariants.CheckAtEnd();
        if (!hadFaults)
            world.Invariants.CheckSentOnce();
    }

    List<Guid> OpenAccounts()
    {
        var accounts = Enumerable.Range(0, world.Random.Next(1, 5) * world.Partitions.Count)
            .Select(_ => world.NewId()).ToList();
        foreach (var id in accounts)
        {
            var now = world.Now;
            var partition = world.AccountsOf(id);
            partition.Open(new Account { AccountId = id, Currency = "EUR", CreateTime = now, UpdateTime = now });
            partition.Deposit(id, world.Random.Next(20, 200), now);
        }

        return accounts;
    }

    void Heal()
    {
        world.Trace("all faults end");
        (world.HasFaults, world.Broker.IsDown) = (false, false);
        for (var i = 0; i < world.Replicas.Count; i++)
        {
            world.Replicas[i].Process.IsPaused = false;
            if (world.Replicas[i].Process.HasExited)
                world.Start(i);
        }
    }

    /// <summary>Advances the system by one step without faults.</summary>
    /// <returns>False if the system is idle.</returns>
    bool Settle(RandomActions actions)
    {
        if (world.Scheduler.RunOne())
            return true;
        if (actions.Clients.Find(x => x.AcknowledgedId == null) is { } unacknowledged)
        {
            actions.SendRequest(unacknowledged);
            return true;
        }

        if (world.Broker.HasQueuedMessages)
        {
            actions.Deliver();
            return true;
        }

        foreach (var replica in world.Replicas)
        {
            _ = replica.CleanUp();
            replica.Heartbeat();
        }

        if (world.Scheduler.RunOne())
            return true;
        // Replicas look for messages without a living owner once a second.
        var unsent = world.Databases.SelectMany(x => x.Outbox.Values).Where(x => x.Parked == null)
            .Select(x => (DateTime?)(x.OwnerId == null ? x.EnqueueTime : world.Now + TimeSpan.FromSeconds(1))).Min();
        if (unsent == null || world.Mutant == Mutant.RecoveryOff)
            return AskAgain();
        if (unsent > world.Now)
            world.Now = unsent.Value;
        foreach (var replica in world.Replicas)
            _ = replica.Recover();
        return true;
    }

    /// <summary>Advances the time to the next overdue answer.</summary>
    /// <returns>False if no order waits for one.</returns>
    bool AskAgain()
    {
        if (world.Orders.All.Min(x => x.ResendTime) is not { } overdue || world.Mutant == Mutant.ResendOff)
            return false;
        if (overdue > world.Now)
            world.Now = overdue;
        _ = world.Replicas[world.Random.Next(2)].AskAgain();
        return true;
    }
}
