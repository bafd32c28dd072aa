using System.Diagnostics;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Serialization;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>Sends committed messages through the bus, whatever its transport.</summary>
sealed class BusTransport<TDbContext>(IBusControl bus) : IOutboxTransport<TDbContext> where TDbContext : DbContext
{
    static readonly TimeSpan MaxStartTime = TimeSpan.FromSeconds(30);
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    readonly Lock _lock = new();
    Task? _started;

    /// <summary>
    /// Completes when every endpoint has started once: before that, a published message may find no queue, and the
    /// broker drops it. An endpoint that cannot start delays messages for half a minute.
    /// </summary>
    public Task Started
    {
        get
        {
            if (Volatile.Read(ref _started) is { } started)
                return started;
            lock (_lock)
                return _started ??= WaitUntilStarted();
        }
    }

    async Task WaitUntilStarted()
    {
        var begin = Stopwatch.GetTimestamp();
        while (bus.CheckHealth().Status != BusHealthStatus.Healthy && Stopwatch.GetElapsedTime(begin) < MaxStartTime)
            await Task.Delay(Pause).ConfigureAwait(false);
    }

    /// <summary>
    /// False when all endpoints that consume have stopped. A bus that loses its broker, or waits for it, is Degraded at
    /// most, because its own endpoint consumes nothing and stays healthy.
    /// </summary>
    public bool IsAvailable
    {
        get
        {
            var health = bus.CheckHealth();
            var consuming = health.Endpoints.Values.Where(x => x.ReceiveEndpoint.Started.IsCompletedSuccessfully)
                .ToList();
            var stopped = consuming.Count > 0 && consuming.TrueForAll(x => x.Status == BusHealthStatus.Degraded);
            return health.Status != BusHealthStatus.Unhealthy && !stopped;
        }
    }

    public async Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken)
    {
        await Started.WaitAsync(cancellationToken).ConfigureAwait(false);
        // The transport caches its endpoints: this is a lookup.
        var endpoint = await bus.GetSendEndpoint(new Uri(message.DestinationAddress)).ConfigureAwait(false);
        await endpoint.Send(new SerializedMessageBody(), new OutboxSendPipe(message, now), cancellationToken)
            .ConfigureAwait(false);
    }
}
