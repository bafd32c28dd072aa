using MassTransit;
using MassTransit.RabbitMqTransport.Configuration;
using MassTransit.RabbitMqTransport.Topology;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Messaging.RabbitMq;

/// <summary>Resolves addresses, and declares the exchanges and queues of an address as MassTransit would.</summary>
sealed class RabbitTopology(IRabbitMqHostConfiguration host)
{
    /// <summary>The full address of an address such as <c>exchange:name</c> or <c>queue:name</c>.</summary>
    public Uri AddressOf(Uri address) => new RabbitMqEndpointAddress(host.HostAddress, address);

    /// <summary>The address to which messages of a type are published.</summary>
    /// <exception cref="MessageException">The type cannot be published.</exception>
    public Uri AddressOf(Type message) => host.Topology.TryGetPublishAddress(message, out var address)
        ? address : throw new MessageException(message, "The type cannot be published");

    /// <summary>
    /// Declares an address. A service that only sends to it may have no right to: then its exchange must exist.
    /// </summary>
    /// <returns>The exchange to publish to.</returns>
    /// <exception cref="MessageReturnedException">
    /// The exchange does not exist, and only the service that receives from it may declare it.
    /// </exception>
    /// <exception cref="RabbitMqConnectionException">The connection was lost.</exception>
    public async Task<CachedString> Declare(string address, IConnection connection, CancellationToken cancellationToken)
    {
        var settings = host.Topology.SendTopology
            .GetSendSettings(new RabbitMqEndpointAddress(host.HostAddress, new Uri(address)));
        try
        {
            try
            {
                await Declare(settings.GetBrokerTopology(), connection, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.AccessRefused)
            {
                if (!await ExistsAsync(settings.ExchangeName, connection, cancellationToken).ConfigureAwait(false))
                    throw new MessageReturnedException($"{settings.ExchangeName} does not exist, and is not the "
                        + $"service's to declare: {e.ShutdownReason.ReplyText}");
            }

            return new CachedString(settings.ExchangeName);
        }
        catch (Exception e) when (!connection.IsOpen)
        {
            throw new RabbitMqConnectionException($"The connection was lost before {address} was declared", e);
        }
    }

    /// <summary>Whether an exchange exists. On a new channel, because the broker closes it if not.</summary>
    static async Task<bool> ExistsAsync(string exchange, IConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken)
                .ConfigureAwait(false);
            await channel.ExchangeDeclarePassiveAsync(exchange, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return false;
        }
    }

    /// <summary>Declares exchanges, queues and bindings on a new channel; those that exist do not change.</summary>
    public static async Task Declare(
        BrokerTopology topology, IConnection connection, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        foreach (var x in topology.Exchanges)
            await channel.ExchangeDeclareAsync(x.ExchangeName, x.ExchangeType, x.Durable, x.AutoDelete,
                x.ExchangeArguments!, cancellationToken: cancellationToken).ConfigureAwait(false);
        foreach (var x in topology.Queues)
            await channel.QueueDeclareAsync(x.QueueName, x.Durable, x.Exclusive, x.AutoDelete, x.QueueArguments!,
                cancellationToken: cancellationToken).ConfigureAwait(false);
        foreach (var x in topology.ExchangeBindings)
            await channel.ExchangeBindAsync(x.Destination.ExchangeName, x.Source.ExchangeName, x.RoutingKey,
                x.Arguments!, cancellationToken: cancellationToken).ConfigureAwait(false);
        foreach (var x in topology.QueueBindings)
            await channel.QueueBindAsync(x.Destination.QueueName, x.Source.ExchangeName, x.RoutingKey, x.Arguments!,
                cancellationToken: cancellationToken).ConfigureAwait(false);
    }
}
