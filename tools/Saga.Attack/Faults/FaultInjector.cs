using System.Collections.Concurrent;
using Npgsql;
using RabbitMQ.Client.Exceptions;

namespace Saga.Attack;

/// <summary>
/// Injects the faults of a plan one after the other, and measures the time until the system serves again.
/// </summary>
/// <param name="clients">The clients that place orders.</param>
/// <param name="history">Records the faults.</param>
/// <param name="faultsOverlap">Whether an injection may fail because of a concurrent fault.</param>
sealed class FaultInjector(AttackClients clients, History history, bool faultsOverlap)
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
            catch (Exception e) when (faultsOverlap && e is NpgsqlException or RabbitMQClientException
                or HttpRequestException or TaskCanceledException or TimeoutException or IOException
                or InvalidOperationException)
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
            var timeout = fault.MaxRecovery > ProbeTimeout ? fault.MaxRecovery.Value : ProbeTimeout;
            var recovery = await clients.ProbeAsync(timeout);
            if (fault.RepairAsync is { } repairAsync)
            {
                await repairAsync();
                repaired = history.Now;
            }

            history.Add(new HistoryEvent(at, HistoryEvent.Fault, Outcome.Ok)
            {
                Detail = recovery is { } time ? $"{fault.Kind}, recovered after {time.TotalSeconds:F1} s"
                    : $"{fault.Kind}, not recovered after {timeout.TotalSeconds} s",
            });
            _faults.Enqueue(new InjectedFault(fault.Kind, at, repaired, recovery)
            {
                MaxRecovery = fault.MaxRecovery,
            });
        }
    }
}
