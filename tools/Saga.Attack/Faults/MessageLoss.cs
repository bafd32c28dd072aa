using Messaging.RabbitMq;
using RabbitMQ.Client;
using Saga.Services;

namespace Saga.Attack;

/// <summary>
/// Loses messages that the broker has confirmed. The consuming service is down meanwhile, so that messages wait in the
/// queue: an operator purges it, or a policy lets them expire, with or without a dead-letter queue, which nobody reads.
/// The queue of its batches has the same fate. The sender knows after about a second that nobody consumes batches.
/// </summary>
sealed class MessageLoss(OrderSystem system, Random random)
{
    /// <summary>The queue of the dead letters, and its exchange; they stay there until the attack ends.</summary>
    public const string DeadLetters = "attack-dead-letters";

    /// <summary>The policy that lets messages expire.</summary>
    public const string Policy = "attack-expiry";

    const string Purge = "purge", Expiry = "expiry", DeadLetter = "dead letter";

    /// <summary>The queues of single messages.</summary>
    public static readonly string[] Queues =
        ["reserve-funds", "release-funds", "capture-funds", "order-state", "orders-captured"];

    /// <summary>The number of batches that were purged.</summary>
    public long PurgedBatches { get; private set; }

    /// <summary>Each queue with each way to lose its messages.</summary>
    public static IEnumerable<string> Kinds =>
        Queues.SelectMany(queue => new[] { Purge, Expiry, DeadLetter }, (queue, way) => $"{queue}, {way}");

    /// <summary>Loses the messages of a queue for a few seconds.</summary>
    /// <param name="kind">One of <see cref="Kinds" />.</param>
    public async Task LoseAsync(string kind)
    {
        var (queue, way) = kind.Split(", ") is [var first, var second] ? (first, second)
            : throw new ArgumentException($"{kind} is not a kind of message loss", nameof(kind));
        var consumers = queue.StartsWith("order", StringComparison.Ordinal) ? system.Orders : system.Accounts;
        var rabbit = system.Servers.Rabbit;
        // A message that was queued before the policy never expires, and keeps those behind it in the queue.
        if (way != Purge)
            await rabbit.SetPolicyAsync(system.VirtualHost, Policy, $"^({queue}|{MessageBatch.QueueOf(queue)})$",
                Definition(way));
        try
        {
            foreach (var replica in consumers)
                await replica.KillAsync();
            await Task.Delay(random.Next(1000, 3000));
            if (way == Purge)
                await PurgeAsync(queue);
        }
        finally
        {
            foreach (var replica in consumers)
                if (replica.HasExited)
                    replica.Start();
            await rabbit.DeletePolicyAsync(system.VirtualHost, Policy);
        }
    }

    async Task PurgeAsync(string queue)
    {
        var factory = new ConnectionFactory { Uri = new Uri(system.Servers.Rabbit.Amqp(system.VirtualHost)) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await channel.QueuePurgeAsync(queue);
        PurgedBatches += await channel.QueuePurgeAsync(MessageBatch.QueueOf(queue));
    }

    static Dictionary<string, object> Definition(string way)
    {
        var definition = new Dictionary<string, object> { ["message-ttl"] = 1 };
        if (way == DeadLetter)
            definition["dead-letter-exchange"] = DeadLetters;
        return definition;
    }
}
