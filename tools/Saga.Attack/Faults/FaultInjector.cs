using System.Collections.Concurrent;
using Npgsql;
using RabbitMQ.Client.Exceptions;

namespace Saga.Attack;

/// <summary>
/// Injects the faults of a plan one after the other, and measures the time until the system serves again.
/// </summary>
sealed class FaultInjector(AttackClients clients, History history)
{
    static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(30);

    readonly ConcurrentQueue<InjectedFault> _faults = new();

    /// <summary>The faults that were injected so far.</summary>
    public IReadOnlyCollection<InjectedFault> Faults => _faults;

    /// <summary>Injects faults until the end; may run several times concurrently.</summary>
    public async Task RunAsync(IEnumerable<Fault> faults, CancellationToken end)
    {
        foreach (var fault in faults)
        {
            if (end.IsCancellationRequested)
                return;
            var at = history.Now;
            try
            {
                if (!await fault.InjectAsync())
                    continue;
            }
            catch (Exception e) when (e is NpgsqlException or RabbitMQClientException or HttpRequestException
                or TaskCanceledException or TimeoutException or IOException or InvalidOperationException)
            {
                // A concurrent fault has made the target unavailable.
                history.Add(new HistoryEvent(at, HistoryEvent.Fault, Outcome.Unknown)
                {
                    Detail = $"{fault.Kind}: {e.Message}",
                });
                await Task.Delay(200, CancellationToken.None);
                continue;
            }

            var repaired = history.Now;
            var recovery = await clients.ProbeAsync(ProbeTimeout);
            history.Add(new HistoryEvent(at, HistoryEvent.Fault, Outcome.Ok)
            {
                Detail = recovery is { } time ? $"{fault.Kind}, recovered after {time.TotalSeconds:F1} s"
                    : $"{fault.Kind}, not recovered after {ProbeTimeout.TotalSeconds} s",
            });
            _faults.Enqueue(new InjectedFault(fault.Kind, at, repaired, recovery));
        }
    }
}
