using System.Collections.Concurrent;
using MassTransit;
using Messaging.Postgres;

namespace Saga.Tests.Support.Model;

/// <summary>
/// Asks for one <see cref="Effect" /> by the batch step, one by the change tracker, and a <see cref="Pong" />.
/// </summary>
/// <param name="Name">The name of the test's effects.</param>
/// <param name="Number">Distinguishes the messages of one test.</param>
/// <param name="Behavior">How the consumer or the step fails, or nothing.</param>
public sealed record AddEffect(string Name, int Number, string Behavior);

public sealed class AddEffectConsumer(IUnitOfWork<TestDbContext> unit, TestDbContext db) : IConsumer<AddEffect>
{
    internal static readonly AddEffectStep Step = new();
    static readonly HashSet<(string, int)> Failed = [];

    /// <summary>The number of times that each message was handled.</summary>
    public static ConcurrentDictionary<(string Name, int Number), int> Runs { get; } = new();

    public async Task Consume(ConsumeContext<AddEffect> context)
    {
        var message = context.Message;
        Runs.AddOrUpdate((message.Name, message.Number), 1, (_, n) => n + 1);
        if (message.Behavior == "commit")
        {
            db.Add(new Effect { Name = $"tracked {message.Name}" });
            await unit.CommitAsync(context.CancellationToken);
        }

        await unit.DecideAsync(Step, message, context.CancellationToken);
        lock (Failed)
            if (message.Behavior == "fail once" && Failed.Add((message.Name, message.Number)))
                throw new TimeoutException("thrown by the test");
        if (message.Behavior == "track the same row")
            db.Add(new Tally { CorrelationId = new Guid(1, 2, 3, new byte[8]), CurrentState = "Counting" });
        db.Add(new Effect { Name = $"tracked {message.Name}" });
        if (message.Behavior == "save after the decision")
            await db.SaveChangesAsync(context.CancellationToken);
        await context.Publish(new Pong($"{message.Name} {message.Number}"));
    }
}
