using System.Globalization;
using Contracts;

namespace Saga.Simulation;

/// <summary>
/// A deterministic simulation on one thread: two processes of each service, their databases, a broker and clients. The
/// seed decides every step and every fault. Account can be partitioned: then each account is in one of several
/// databases, each with its processes and queues.
/// </summary>
public sealed class World
{
    readonly Replica[] _replicas; // two of Order, then two of each partition of Account
    readonly int _seed;
    readonly Action<string>? _trace;
    int _ids, _starts;

    World(int seed, Mutant mutant, int partitions, bool hasFaults, Action<string>? trace)
    {
        (_seed, Mutant, HasFaults, _trace) = (seed, mutant, hasFaults, trace);
        Random = new Random(seed);
        Scheduler = new StepScheduler(Random) { Trace = trace == null ? null : Trace };
        Orders = new OrderDatabase(this);
        Partitions = [.. Enumerable.Range(0, partitions).Select(_ => new AccountDatabase(this))];
        Databases = [Orders, .. Partitions];
        Broker = new SimBroker(partitions, PartitionOf);
        _replicas = new Replica[2 + 2 * partitions];
        Invariants = new Invariants(this);
        for (var i = 0; i < _replicas.Length; i++)
            Start(i);
    }

    internal Mutant Mutant { get; }
    internal Random Random { get; }
    internal StepScheduler Scheduler { get; }
    internal OrderDatabase Orders { get; }
    internal IReadOnlyList<AccountDatabase> Partitions { get; }
    internal IReadOnlyList<SimDatabase> Databases { get; }
    internal SimBroker Broker { get; }
    internal Invariants Invariants { get; }
    internal IReadOnlyList<Replica> Replicas => _replicas;

    /// <summary>Everything that the broker has received, in order.</summary>
    internal List<AmqpMessage> Published { get; } = [];

    /// <summary>The ids of the messages whose handler was too slow once.</summary>
    internal HashSet<Guid> Slow { get; } = [];

    /// <summary>The ids of the messages that the broker has lost.</summary>
    internal HashSet<Guid> Lost { get; } = [];

    internal DateTime Now { get; set; } = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    internal int StepCount { get; set; }

    /// <summary>Whether anything fails at random.</summary>
    internal bool HasFaults { get; set; }

    internal bool IsTraced => _trace != null;

    /// <summary>Runs one seed.</summary>
    /// <param name="seed">Decides the whole run.</param>
    /// <param name="mutant">The guarantee to switch off.</param>
    /// <param name="partitions">Over how many databases the accounts are distributed.</param>
    /// <param name="hasFaults">
    /// Whether anything fails. If not, each message is sent once, whatever the clocks say.
    /// </param>
    /// <param name="trace">Receives a line for every step; null for no trace.</param>
    public static SimulationResult Run(int seed, Mutant mutant = Mutant.None, int partitions = 1,
        bool hasFaults = true, Action<string>? trace = null)
    {
        // A caller's context would move the code after an await to another thread.
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            var world = new World(seed, mutant, partitions, hasFaults, trace);
            new Scenario(world).Run();
            return new SimulationResult(seed, world.Invariants.Violations, world.StepCount,
                world.Orders.All.GroupBy(x => x.CurrentState).ToDictionary(x => x.Key, x => x.Count()));
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    /// <summary>A world without a scenario, for the models.</summary>
    internal static World Empty(Mutant mutant) => new(0, mutant, 1, hasFaults: false, null);

    /// <summary>The database of an account, whether the account exists or not.</summary>
    internal AccountDatabase AccountsOf(Guid accountId) => Partitions[PartitionOf(accountId)];

    /// <summary>The partition whose queue receives a message: that of its account; 0 for a message to Order.</summary>
    internal int PartitionOf(object content) => content switch
    {
        ReserveFunds x => PartitionOf(x.AccountId),
        ReleaseFunds x => PartitionOf(Mutant == Mutant.PartitionedByOrder ? x.OrderId : x.AccountId),
        OrderConfirmed x => PartitionOf(x.AccountId),
        _ => 0,
    };

    int PartitionOf(Guid id) => id.ToByteArray()[^1] % Partitions.Count; // the last byte differs between ids

    /// <summary>A random partition; without a random number if there is only one.</summary>
    internal int AnyPartition() => Partitions.Count == 1 ? 0 : Random.Next(Partitions.Count);

    internal Guid NewId() =>
        new(_seed, 0, 0, 0, 0, 0, 0, (byte)(++_ids >> 24), (byte)(_ids >> 16), (byte)(_ids >> 8), (byte)_ids);

    /// <param name="content">The message.</param>
    /// <param name="now">The sender's time.</param>
    /// <param name="token">The token of a scheduled message; null for a message that is sent at once.</param>
    /// <param name="delay">The delay of a scheduled message.</param>
    internal SimOutboxMessage NewMessage(object content, DateTime now, Guid? token = null, TimeSpan delay = default) =>
        new()
        {
            Id = NewId(),
            MessageId = NewId(),
            Content = content,
            DestinationAddress = $"exchange:{content.GetType().Name}",
            SentTime = now,
            TokenId = token,
            EnqueueTime = now + delay,
        };

    /// <summary>
    /// Publishes messages for one queue as one AMQP message, which may be lost or duplicated, or its confirmation lost.
    /// </summary>
    internal void Publish(IReadOnlyList<SimOutboxMessage> messages)
    {
        const int Lost = 0, Duplicated = 1, ConfirmationLost = 2, Delivered = 9;
        var fate = HasFaults ? Random.Next(40) : Delivered;
        if (Broker.IsDown || fate == Lost)
            throw new ConnectionLostException("before the broker received the message");
        var queued = Combine(messages.Select(x => new QueuedMessage(x.MessageId, x.Content, x.TokenId)));
        Trace($"the broker receives {queued}");
        Broker.Enqueue(queued);
        Published.Add(queued);
        if (fate == Duplicated)
            Broker.Enqueue(queued);
        if (fate == ConfirmationLost)
            throw new ConnectionLostException("before the broker's confirmation arrived");
    }

    /// <summary>Combines messages for one queue into one AMQP message.</summary>
    internal AmqpMessage Combine(IEnumerable<QueuedMessage> messages)
    {
        var members = messages.ToList();
        Guid? batchId = members.Count > 1 ? NewId() : null;
        return new AmqpMessage(members.ConvertAll(x => x with { BatchId = batchId }));
    }

    /// <summary>The replica with this index, or null if it has exited or is paused.</summary>
    internal Replica? Running(int index) =>
        _replicas[index] is { Process: { HasExited: false, IsPaused: false } } replica ? replica : null;

    /// <summary>Starts a replica; in one start of four its clock is wrong by up to five minutes.</summary>
    internal void Start(int index)
    {
        var partition = (index - 2) / 2;
        var service = index < 2 ? "order" : Partitions.Count == 1 ? "account" : $"account{partition}";
        var name = $"{service}-{index % 2 + 1}.{++_starts}";
        var skew = TimeSpan.FromSeconds(Random.Next(4) == 0 ? Random.Next(-300, 300) : 0);
        _replicas[index] = new Replica(this, name, index < 2 ? Orders : Partitions[partition], skew);
        Trace($"{name} starts");
    }

    internal void Kill(int index)
    {
        var process = _replicas[index].Process;
        if (process.HasExited)
            return;
        Trace($"{process.Name} is killed");
        process.HasExited = true;
        Scheduler.Drop(process);
        Broker.CloseConnection(process);
    }

    internal void Trace(string text) =>
        _trace?.Invoke($"{StepCount.ToString(CultureInfo.InvariantCulture),6} {Now:mm:ss.fff} {text}");
}
