using Operations.V1;
using RabbitMQ.Client;
using Saga.Servers;
using Saga.Services;
using Wait = Saga.Servers.Wait;

namespace Saga.Drill;

/// <summary>The broker of the drill, as faults use it.</summary>
/// <param name="system">The system.</param>
sealed class DrillBroker(OrderSystem system)
{
    const string BatchSuffix = "_batch";

    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    RabbitServer Rabbit => system.Servers.Rabbit;

    /// <summary>Stops the consumption of a queue, until <see cref="ResumeAsync" />.</summary>
    public async Task PauseAsync(string queue, CancellationToken cancellationToken)
    {
        await ConsumerOf(queue).PauseQueueAsync(
            new PauseQueueRequest { Name = queue, Operator = "drill", Reason = "a fault is injected" },
            cancellationToken: cancellationToken);
        await WaitUntilPausedAsync(queue, cancellationToken);
    }

    /// <summary>Waits until no replica consumes a queue any more.</summary>
    public Task WaitUntilPausedAsync(string queue, CancellationToken cancellationToken) => Wait.UntilAsync(
        async () => await WithChannelAsync(x => x.ConsumerCountAsync(queue, cancellationToken)) == 0, MaxWait,
        () => $"{queue} to be paused", cancellationToken);

    /// <summary>Resumes the consumption of a queue.</summary>
    public async Task ResumeAsync(string queue, CancellationToken cancellationToken = default) =>
        await ConsumerOf(queue).ResumeQueueAsync(
            new ResumeQueueRequest { Name = queue, Operator = "drill", Reason = "the fault is injected" },
            cancellationToken: cancellationToken);

    MessagingOperations.MessagingOperationsClient ConsumerOf(string queue) =>
        new((queue.StartsWith("order", StringComparison.Ordinal) ? system.Orders : system.Accounts)[0]
            .OperationsChannel);

    /// <summary>Loses all messages of a queue.</summary>
    public async Task PurgeAsync(string queue)
    {
        await Rabbit.PurgeAsync(system.VirtualHost, queue);
        await Rabbit.PurgeAsync(system.VirtualHost, queue + BatchSuffix);
    }

    /// <summary>Deletes a queue with its messages.</summary>
    public Task DeleteAsync(string queue) => Rabbit.DeleteAsync(system.VirtualHost, "queues", queue);

    /// <summary>Waits until a queue exists.</summary>
    public Task WaitForAsync(string queue, CancellationToken cancellationToken) => Wait.UntilAsync(
        async () => (await Rabbit.QueuesAsync(system.VirtualHost, cancellationToken)).Contains(queue), MaxWait,
        () => $"{queue} to be declared", cancellationToken);

    /// <summary>Rejects what is published to a queue, until <see cref="AcceptAsync" />.</summary>
    public Task RejectAsync(string queue) => Rabbit.SetPolicyAsync(system.VirtualHost, $"drill-{queue}",
        $"^{queue}({BatchSuffix})?$",
        new Dictionary<string, object> { ["max-length"] = 0, ["overflow"] = "reject-publish" });

    /// <summary>Ends <see cref="RejectAsync" />.</summary>
    public Task AcceptAsync(string queue) => Rabbit.DeletePolicyAsync(system.VirtualHost, $"drill-{queue}");

    /// <summary>Publishes a message to a queue.</summary>
    public Task PublishAsync(string queue, ReadOnlyMemory<byte> body) => WithChannelAsync(async channel =>
    {
        await channel.BasicPublishAsync("", queue, mandatory: true, new BasicProperties
        {
            MessageId = $"{Guid.NewGuid()}",
            ContentType = "application/vnd.masstransit+json",
            UserId = system.SenderTo(queue),
            Persistent = true,
        }, body);
        return 0;
    });

    async Task<T> WithChannelAsync<T>(Func<IChannel, Task<T>> use)
    {
        var factory = new ConnectionFactory { Uri = new Uri(Rabbit.Amqp(system.VirtualHost)) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        return await use(channel);
    }
}
