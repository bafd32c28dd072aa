using RabbitMQ.Client;
using Saga.Servers;
using Saga.Services;

namespace Saga.Audit;

/// <summary>The queues of a virtual host.</summary>
/// <param name="amqp">The broker's address, with user, password and virtual host.</param>
/// <param name="management">The address of the management UI; null for the default port of the broker's host.</param>
public sealed class BrokerQueues(Uri amqp, Uri? management)
{
    /// <summary>The queues of a system that runs on this machine.</summary>
    public static BrokerQueues Of(OrderSystem system) =>
        new(new Uri(system.Servers.Rabbit.Amqp(system.VirtualHost)), system.Servers.Rabbit.Management);

    /// <summary>The names of the queues that hold messages, with the number of messages.</summary>
    public async Task<IReadOnlyDictionary<string, uint>> NonEmptyAsync(CancellationToken cancellationToken)
    {
        using var rabbit = new RabbitServer(amqp, management ?? new Uri($"http://{amqp.Host}:15672/"));
        var virtualHost = amqp.AbsolutePath is "" or "/" ? "/" : Uri.UnescapeDataString(amqp.AbsolutePath[1..]);
        await using var connection = await new ConnectionFactory { Uri = amqp }.CreateConnectionAsync(
            cancellationToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        var found = new Dictionary<string, uint>();
        foreach (var queue in await rabbit.QueuesAsync(virtualHost, cancellationToken))
            if (await channel.MessageCountAsync(queue, cancellationToken) is > 0 and var count)
                found[queue] = count;
        return found;
    }
}
