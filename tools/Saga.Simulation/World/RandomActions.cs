using Contracts;
using Orders;

namespace Saga.Simulation;

/// <summary>
/// Requests, deliveries, passing time and faults, one at a time, chosen by the world's random numbers.
/// </summary>
sealed class RandomActions(World world, IReadOnlyList<Guid> accounts)
{
    static readonly string[] OrderQueues =
        [SimBroker.OrderStateQueue, SimBroker.OrderStateQueue, SimBroker.OrdersCapturedQueue];

    static readonly string[] AccountQueues =
        [SimBroker.ReserveFundsQueue, SimBroker.ReleaseFundsQueue, SimBroker.CaptureFundsQueue];

    const int AnyAction = 1000, FirstFault = 962;

    readonly Random _random = world.Random;

    public List<ClientOrder> Clients { get; } = [];

    /// <summary>Runs one action.</summary>
    public void RunOne()
    {
        switch (_random.Next(world.HasFaults ? AnyAction : FirstFault))
        {
            case < 560:
                world.Scheduler.RunOne();
                break;
            case < 760:
                Deliver();
                break;
            case < 825:
                _ = world.Running(_random.Next(world.Replicas.Count))?.Recover();
                break;
            case < 830:
                _ = world.Running(_random.Next(2))?.AskAgain();
                break;
            case < 848:
                _ = world.Running(_random.Next(world.Replicas.Count))?.CleanUp();
                break;
            case < 860:
                world.Running(_random.Next(world.Replicas.Count))?.Heartbeat();
                break;
            case < 890:
                CreateOrder();
                break;
            case < 900 when Clients.Count > 0:
                SendRequest(Any(Clients));
                break;
            case < 907 when Clients.Count > 0:
                if (Any(Clients).AcknowledgedId is { } id)
                    _ = world.Running(_random.Next(2))?.CancelOrder(id);
                break;
            case < 910:
                Deposit();
                break;
            case < 955:
                Pass(TimeSpan.FromMilliseconds(_random.Next(1, 800)));
                break;
            case < FirstFault:
                Pass(TimeSpan.FromSeconds(_random.Next(1, 45)));
                break;
            case < 967:
                world.Kill(_random.Next(world.Replicas.Count));
                break;
            case < 977:
                var index = _random.Next(world.Replicas.Count);
                if (world.Replicas[index].Process.HasExited)
                    world.Start(index);
                break;
            case < 982:
                world.Trace("a replica's connection to the broker is closed");
                world.Broker.CloseConnection(Any(world.Replicas).Process);
                break;
            case < 987:
                PauseOrResume(Any(world.Replicas).Process);
                break;
            case < 990:
                world.Broker.IsDown = !world.Broker.IsDown;
                world.Trace($"the broker is {(world.Broker.IsDown ? "down" : "up")}");
                break;
            case < 996 when world.Published.Count > 0:
                Repeat(Any(world.Published));
                break;
            case < 998 when Clients.Count > 0:
                // A timeout that was never scheduled or was cancelled.
                if (Any(Clients).AcknowledgedId is { } orderId)
                    world.Broker.Enqueue(world.Combine(
                        [new QueuedMessage(world.NewId(), new ReservationTimedOut(orderId), world.NewId())]));
                break;
            case < 999 when _random.Next(2) == 0:
                Lose();
                break;
            case < 999:
                world.Trace("the inboxes are purged");
                foreach (var database in world.Databases)
                    database.PurgeInbox();
                break;
        }
    }

    /// <summary>Delivers a message from a random queue to a random replica of its service.</summary>
    public void Deliver()
    {
        var isForOrder = _random.Next(2) == 0;
        var queue = (isForOrder ? OrderQueues : AccountQueues)[_random.Next(3)];
        var partition = isForOrder ? 0 : world.AnyPartition();
        if (world.Running((isForOrder ? 0 : 2 + 2 * partition) + _random.Next(2)) is not { } replica)
            return;
        if (world.Broker.Deliver(queue, partition, replica.Process, _random) is not var (message, tag))
            return;
        if (world.IsTraced)
        {
            var suffix = message.Messages[0].Redelivered ? ", redelivered" : "";
            world.Trace($"{replica.Process.Name} receives {message}{suffix}");
        }

        replica.Receive(queue, message, tag);
    }

    /// <summary>Sends a client's request, first or repeated, to a random replica of Order.</summary>
    public void SendRequest(ClientOrder client) => _ = world.Running(_random.Next(2))?.CreateOrder(client);

    /// <summary>
    /// Lets time pass. While nothing fails, no process waits meanwhile: each does what it can, and its
    /// background work is in time.
    /// </summary>
    void Pass(TimeSpan time)
    {
        var end = world.Now + time;
        while (!world.HasFaults && world.Now < end)
        {
            foreach (var replica in world.Replicas)
            {
                _ = replica.CleanUp();
                replica.Heartbeat();
            }

            while (world.Scheduler.RunOne())
            {
            }

            world.Now += TimeSpan.FromTicks(Math.Min((end - world.Now).Ticks, TimeSpan.TicksPerSecond / 2));
        }

        world.Now = end;
    }

    void CreateOrder()
    {
        var client = new ClientOrder(world.NewId(), _random.Next(20) == 0 ? world.NewId() : Any(accounts),
            _random.Next(1, 40), _random.Next(20) == 0 ? "USD" : "EUR");
        Clients.Add(client);
        SendRequest(client);
    }

    void Deposit()
    {
        var (account, amount) = (Any(accounts), _random.Next(1, 30));
        var partition = world.AccountsOf(account);
        _ = world.Scheduler.Add(null, $"deposit {amount}", () => partition.Deposit(account, amount, world.Now),
            () => partition.CanLock(account, null));
    }

    /// <summary>Loses a message of a random queue; sometimes all of them, as a purge does.</summary>
    void Lose()
    {
        var isOfOrder = _random.Next(3) == 0;
        var queue = (isOfOrder ? OrderQueues : AccountQueues)[_random.Next(3)];
        var isPurge = _random.Next(3) == 0;
        var partition = isOfOrder ? 0 : world.AnyPartition();
        while (world.Broker.Lose(queue, partition, _random) is { } lost)
        {
            world.Trace($"{lost} is lost from {queue}");
            world.Lost.UnionWith(lost.Messages.Select(x => x.MessageId));
            if (!isPurge)
                break;
        }
    }

    void PauseOrResume(SimProcess process)
    {
        process.IsPaused = !process.IsPaused;
        world.Trace($"{process.Name} is {(process.IsPaused ? "paused" : "resumed")}");
    }

    /// <summary>
    /// Repeats any earlier message or batch, or one message of a batch, under the old ids or as new messages.
    /// </summary>
    void Repeat(AmqpMessage message)
    {
        var repeated = _random.Next(2) == 0 ? message.Messages : [Any(message.Messages)];
        if (_random.Next(2) == 0)
            repeated = [.. repeated.Select(x => x with { MessageId = world.NewId() })];
        world.Broker.Enqueue(world.Combine(repeated));
        world.Trace($"{string.Join(" + ", repeated.Select(x => x.Content))} is repeated");
    }

    T Any<T>(IReadOnlyList<T> list) => list[_random.Next(list.Count)];
}
