using System.Diagnostics;
using MassTransit;
using MassTransit.Transports;

namespace Messaging.Postgres.Outbox;

/// <summary>A bus that sends committed messages, and whether it can.</summary>
sealed class SendingBus(IBusInstance instance)
{
    static readonly TimeSpan MaxStartTime = TimeSpan.FromSeconds(30);
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    readonly Lock _lock = new();
    Task? _started;

    public IBusInstance Instance => instance;

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

    /// <summary>
    /// False when no endpoint that consumes is connected. A bus that loses its broker, or waits for it, is Degraded at
    /// most, because its own endpoint consumes nothing and stays healthy.
    /// </summary>
    public bool IsAvailable
    {
        get
        {
            var health = instance.BusControl.CheckHealth();
            var consuming = health.Endpoints.Values.Where(x => x.ReceiveEndpoint.Started.IsCompletedSuccessfully)
                .ToList();
            return health.Status != BusHealthStatus.Unhealthy
                && (consuming.Count == 0 || consuming.Exists(x => x.Status == BusHealthStatus.Healthy));
        }
    }

    /// <summary>What all addresses of this bus begin with after the host: in RabbitMQ its virtual host.</summary>
    public string Path => $"{instance.HostConfiguration.HostAddress.AbsolutePath.TrimEnd('/')}/";

    /// <summary>Whether an absolute address lies on this bus's broker, and in its virtual host.</summary>
    public bool Owns(Uri address)
    {
        var host = instance.HostConfiguration.HostAddress;
        return host.Scheme == address.Scheme && host.Authority == address.Authority
            && address.AbsolutePath.StartsWith(Path, StringComparison.Ordinal);
    }

    async Task WaitUntilStarted()
    {
        var begin = Stopwatch.GetTimestamp();
        while (instance.BusControl.CheckHealth().Status != BusHealthStatus.Healthy
            && Stopwatch.GetElapsedTime(begin) < MaxStartTime)
            await Task.Delay(Pause).ConfigureAwait(false);
    }
}
