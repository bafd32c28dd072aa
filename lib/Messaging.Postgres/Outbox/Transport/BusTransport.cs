using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Serialization;
using MassTransit.Transports;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Sends committed messages through a bus, whatever its transport. If the program has several buses, the address of a
/// message tells which one it belongs to.
/// </summary>
sealed class BusTransport<TDbContext>(IEnumerable<IBusInstance> instances) : IOutboxTransport<TDbContext>
    where TDbContext : DbContext
{
    /// <summary>The default bus first.</summary>
    readonly SendingBus[] _buses =
        [.. instances.OrderBy(x => x.InstanceType != typeof(IBus)).Select(x => new SendingBus(x))];

    /// <summary>Whether any bus is available.</summary>
    public bool IsAvailable => Array.Exists(_buses, x => x.IsAvailable);

    public bool IsAvailableFor(OutboxMessage message) => Of(message.DestinationAddress).IsAvailable;

    /// <summary>
    /// The bus that messages to an address belong to. Without a bus of that address, the broker's address has changed
    /// since: the default bus.
    /// </summary>
    public SendingBus Of(string address)
    {
        if (_buses is [var only])
            return only;
        var destination = new Uri(address);
        return _buses.Where(x => x.Owns(destination)).MaxBy(x => x.Path.Length) ?? _buses[0];
    }

    public async Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken)
    {
        var bus = Of(message.DestinationAddress);
        await bus.Started.WaitAsync(cancellationToken).ConfigureAwait(false);
        // The transport caches its endpoints: this is a lookup.
        var endpoint = await bus.Instance.Bus.GetSendEndpoint(new Uri(message.DestinationAddress))
            .ConfigureAwait(false);
        await endpoint.Send(new SerializedMessageBody(), new OutboxSendPipe(message, now), cancellationToken)
            .ConfigureAwait(false);
    }
}
