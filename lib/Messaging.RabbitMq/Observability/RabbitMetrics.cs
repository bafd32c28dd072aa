using System.Diagnostics.Metrics;

namespace Messaging.RabbitMq;

/// <summary>
/// The instruments of the meter <c>Messaging.RabbitMq</c>. Without a listener they cost nothing, and a measurement
/// allocates nothing. docs/operations.md explains each.
/// </summary>
static class RabbitMetrics
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Messaging.RabbitMq";

    /// <summary>The label with the name of a queue or exchange.</summary>
    public const string Destination = "messaging.destination.name";

    static readonly Meter Meter = new(MeterName);

    static readonly Counter<long> Failed = Meter.CreateCounter<long>("messaging.failed.messages", "{message}",
        "Messages that have failed for good and were moved to an error queue");

    static readonly Counter<long> Skipped = Meter.CreateCounter<long>("messaging.skipped.messages", "{message}",
        "Messages that no consumer of their queue handles");

    static readonly Counter<long> Untrusted = Meter.CreateCounter<long>("messaging.untrusted.messages", "{message}",
        "Messages of senders who are not accepted, which were moved to an error queue");

    static readonly Histogram<int> Batch = Meter.CreateHistogram("messaging.batch.messages", "{message}",
        "Messages that were sent as one AMQP message",
        advice: new InstrumentAdvice<int> { HistogramBucketBoundaries = [2, 4, 8, 16, 32, 64, 100] });

    static readonly Gauge<int> Blocked = Meter.CreateGauge<int>("messaging.broker.blocked", "1",
        "1 while the broker blocks publishers because of a memory or disk alarm, otherwise 0");

    /// <summary>A message is moved to the error queue of its queue.</summary>
    public static void MessageFailed(string queue) =>
        Failed.Add(1, new KeyValuePair<string, object?>(Destination, queue));

    /// <summary>A message is moved to the queue _skipped of its queue.</summary>
    public static void MessageSkipped(string queue) =>
        Skipped.Add(1, new KeyValuePair<string, object?>(Destination, queue));

    /// <summary>A message of a sender who is not accepted is moved to the error queue of its queue.</summary>
    public static void MessageUntrusted(string queue) =>
        Untrusted.Add(1, new KeyValuePair<string, object?>(Destination, queue));

    /// <summary>A batch is sent.</summary>
    public static void BatchSent(string exchange, int messages) =>
        Batch.Record(messages, new KeyValuePair<string, object?>(Destination, exchange));

    /// <summary>The broker blocks publishers, or does not any more.</summary>
    public static void PublishersBlocked(bool blocked) => Blocked.Record(blocked ? 1 : 0);
}
