using System.Diagnostics;
using System.Diagnostics.Metrics;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;

namespace Messaging.RabbitMq;

/// <summary>
/// Shows how many messages wait in the queues that the service receives from, and in those that failed and skipped
/// messages are moved to.
/// </summary>
/// <remarks>
/// The queues of failed and skipped messages do not exist before their first message. The broker logs each question
/// about such a queue, so it is asked again only after this process has moved a message, and now and then.
/// </remarks>
sealed class QueueGauges : SampledGauges<IReadOnlyDictionary<string, long>>
{
    static readonly TimeSpan MissingInterval = TimeSpan.FromMinutes(30);

    readonly QueueBacklog _backlog;
    readonly Dictionary<string, long> _missing = []; // queue, and the timestamp of the last question
    readonly MovedMessages _moved;
    readonly ReceiveTopology _topology;

    public QueueGauges(ReceiveTopology topology, QueueBacklog backlog, MovedMessages moved, QueuePauses pauses,
        ILogger<QueueGauges> log) : base(RabbitMetrics.MeterName, log)
    {
        (_topology, _backlog, _moved) = (topology, backlog, moved);
        AddGauge("messaging.queue.messages", "{message}", "Messages that no consumer has received yet", x => x.Select(
            queue => new Measurement<double>(queue.Value, new KeyValuePair<string, object?>(RabbitMetrics.Destination,
                queue.Key))));
        AddGauge("messaging.queue.paused", "1", "1 while an operator has paused the queue, otherwise 0",
            _ => topology.Queues.Select(queue => new Measurement<double>(pauses.IsPaused(queue) ? 1 : 0,
                new KeyValuePair<string, object?>(RabbitMetrics.Destination, queue))));
    }

    protected override async Task<IReadOnlyDictionary<string, long>> ReadAsync(CancellationToken cancellationToken)
    {
        var counts = new Dictionary<string, long>();
        foreach (var queue in _topology.Queues)
        {
            await CountAsync(queue, counts, cancellationToken).ConfigureAwait(false);
            foreach (var moved in (string[])[$"{queue}_error", $"{queue}_skipped"])
                if (MayExist(moved) && !await CountAsync(moved, counts, cancellationToken).ConfigureAwait(false))
                    _missing[moved] = Stopwatch.GetTimestamp();
        }

        return counts;
    }

    /// <summary>Counts the messages of a queue.</summary>
    /// <returns>Whether the queue exists.</returns>
    async Task<bool> CountAsync(string queue, Dictionary<string, long> counts, CancellationToken cancellationToken)
    {
        if (await _backlog.FindAsync(queue, cancellationToken).ConfigureAwait(false) is not { } found)
            return false;
        counts[queue] = found.MessageCount;
        _missing.Remove(queue);
        return true;
    }

    bool MayExist(string queue) => !_missing.TryGetValue(queue, out var asked)
        || Stopwatch.GetElapsedTime(asked) > MissingInterval || _moved.IsAnyRecent;
}
