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
    readonly SendingBus[] _buses = [.. instances.Select(x => new SendingBus(x))];

    /// <inheritdoc cref="SendingBus.Started" />
    public Task Started => _buses is [var only] ? only.Started : Task.WhenAll(_buses.Select(x => x.Started));

    /// <summary>Whether any bus is available.</summary>
    public bool IsAvailable => Array.Exists(_buses, x => x.IsAvailable);

    /// <summary>The bus that messages to an address belong to.</summary>
    public IBusInstance BusOf(string address) => Of(address).Instance;

    public async Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken)
    {
        var bus = Of(message.DestinationAddress);
        await bus.Started.WaitAsync(cancellationToken).ConfigureAwait(false);
        // The transport caches its endpoints: this is a lookup.
        var endpoint = await bus.Instance.Bus.GetSendEndpoint(new Uri(message.DestinationAddress))
            .ConfigureAwait(false);
        try
        {
            await endpoint.Send(new SerializedMessageBody(), new OutboxSendPipe(message, now), cancellationToken)
                .ConfigureAwait(false);
        }
        catch (Exception e) when (e is not ConnectionException && !bus.IsAvailable)
        {
            throw new ConnectionException($"{bus.Instance.Name} is not connected", e); // not the message's fault
        }
    }

    /// <summary>Without a bus of that address, the broker's address has changed since: the default bus.</summary>
    SendingBus Of(string address)
    {
        if (_buses is [var only])
            return only;
        var destination = new Uri(address);
        return _buses.Where(x => x.Owns(destination)).MaxBy(x => x.Path.Length)
            ?? Array.Find(_buses, x => x.Instance.InstanceType == typeof(IBus)) ?? _buses[0];
    }
}
