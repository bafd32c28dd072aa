using Saga.Services;

namespace Saga.Attack;

/// <summary>
/// Loses messages that the broker has confirmed. The consuming service is down meanwhile, so that messages wait in the
/// queue: an operator purges it, or a policy lets them expire, with or without a dead-letter queue, which nobody reads.
/// </summary>
sealed class MessageLoss(OrderSystem system, Random random)
{
    /// <summary>The queue of the dead letters, and its exchange; they stay there until the attack ends.</summary>
    public const string DeadLetters = "attack-dead-letters";

    /// <summary>The policy that lets messages expire.</summary>
    public const string Policy = "attack-expiry";

    const string Purge = "purge", Expiry = "expiry", DeadLetter = "dead letter";

    static readonly string[] Queues = ["reserve-funds", "release-funds", "capture-funds", "order-state"];

    /// <summary>Each queue with each way to lose its messages.</summary>
    public static IEnumerable<string> Kinds =>
        Queues.SelectMany(queue => new[] { Purge, Expiry, DeadLetter }, (queue, way) => $"{queue}, {way}");

    /// <summary>Loses the messages of a queue for a few seconds.</summary>
    /// <param name="kind">One of <see cref="Kinds" />.</param>
    public async Task LoseAsync(string kind)
    {
        var (queue, way) = kind.Split(", ") is [var first, var second] ? (first, second)
            : throw new ArgumentException($"{kind} is not a kind of message loss", nameof(kind));
        var consumers = queue == "order-state" ? system.Orders : system.Accounts;
        var rabbit = system.Servers.Rabbit;
        // A message that was queued before the policy never expires, and keeps those behind it in the queue.
        if (way != Purge)
            await rabbit.SetPolicyAsync(system.VirtualHost, Policy, $"^{queue}$", Definition(way));
        try
        {
            foreach (var replica in consumers)
                await replica.KillAsync();
            await Task.Delay(random.Next(1000, 3000));
            if (way == Purge)
                await rabbit.PurgeAsync(system.VirtualHost, queue);
        }
        finally
        {
            foreach (var replica in consumers)
                if (replica.HasExited)
                    replica.Start();
            await rabbit.DeletePolicyAsync(system.VirtualHost, Policy);
        }
    }

    static Dictionary<string, object> Definition(string way)
    {
        var definition = new Dictionary<string, object> { ["message-ttl"] = 1 };
        if (way == DeadLetter)
            definition["dead-letter-exchange"] = DeadLetters;
        return definition;
    }
}
