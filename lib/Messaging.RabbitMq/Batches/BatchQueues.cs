using System.Collections.Concurrent;
using System.Diagnostics;

namespace Messaging.RabbitMq;

/// <summary>
/// Finds out, while messages are sent to a queue, whether its batches have a consumer. Without one, for example while
/// the receiving service runs an older build, messages are sent one by one.
/// </summary>
/// <param name="queues">Asks the broker.</param>
sealed class BatchQueues(QueueBacklog queues)
{
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>Longer, because the broker logs each question about a queue that does not exist.</summary>
    static readonly TimeSpan IntervalWithoutConsumer = TimeSpan.FromSeconds(5);

    /// <summary>How old an answer can be: a sender that was idle does not know.</summary>
    static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(3);

    readonly ConcurrentDictionary<string, Entry> _entries = new();

    /// <summary>
    /// Whether batches for the queue had a consumer when that was checked last, three seconds ago at most.
    /// </summary>
    public bool AreConsumed(string queue)
    {
        var entry = _entries.GetOrAdd(queue, _ => new Entry());
        var age = Stopwatch.GetElapsedTime(Volatile.Read(ref entry.Checked));
        if (age > (entry.AreConsumed ? Interval : IntervalWithoutConsumer)
            && Interlocked.Exchange(ref entry.IsChecking, 1) == 0)
            using (ExecutionContext.SuppressFlow())
                _ = Task.Run(() => CheckAsync(queue, entry));
        return entry.AreConsumed && age < MaxAge;
    }

    async Task CheckAsync(string queue, Entry entry)
    {
        try
        {
            entry.AreConsumed = await queues.HasConsumersAsync(MessageBatch.QueueOf(queue), default)
                .ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            entry.AreConsumed = false; // whatever the reason, messages can be sent one by one
        }
        finally
        {
            Volatile.Write(ref entry.Checked, Stopwatch.GetTimestamp());
            Volatile.Write(ref entry.IsChecking, 0);
        }
    }

    sealed class Entry
    {
        public volatile bool AreConsumed;
        public long Checked; // timestamp
        public int IsChecking;
    }
}
