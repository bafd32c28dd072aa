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

    readonly ConcurrentDictionary<string, ConcurrentBag<TimeSpan?>> _recoveries = new();

    /// <summary>The recovery times of each kind of fault; null for a recovery that timed out.</summary>
    public IEnumerable<KeyValuePair<string, ConcurrentBag<TimeSpan?>>> Recoveries => _recoveries.OrderBy(x => x.Key);

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

            var recovery = await clients.ProbeAsync(ProbeTimeout);
            history.Add(new HistoryEvent(at, HistoryEvent.Fault, Outcome.Ok)
            {
                Detail = recovery is { } time ? $"{fault.Kind}, recovered after {time.TotalSeconds:F1} s"
                    : $"{fault.Kind}, not recovered after {ProbeTimeout.TotalSeconds} s",
            });
            _recoveries.GetOrAdd(fault.Kind, _ => []).Add(recovery);
        }
    }
}
