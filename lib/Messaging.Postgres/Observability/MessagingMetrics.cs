using System.Diagnostics.Metrics;

namespace Messaging.Postgres.Observability;

/// <summary>
/// The instruments of the meter <c>Messaging.Postgres</c>. Without a listener they cost nothing, and a measurement
/// allocates nothing. docs/operations.md explains each.
/// </summary>
static class MessagingMetrics
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Messaging.Postgres";

    static readonly Meter Meter = new(MeterName);

    static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    };

    static readonly Counter<long> Sent = Meter.CreateCounter<long>("messaging.client.sent.messages", "{message}",
        "Messages that were handed to the broker");

    static readonly Histogram<double> Send = Meter.CreateHistogram("messaging.client.operation.duration", "s",
        "Time until the broker has confirmed or refused a message", advice: Seconds);

    static readonly Counter<long> Consumed = Meter.CreateCounter<long>("messaging.client.consumed.messages",
        "{message}", "Messages that were consumed, by outcome");

    static readonly Histogram<double> Commit = Meter.CreateHistogram("messaging.commit.duration", "s",
        "Time of one commit, for all units of work in it", advice: Seconds);

    static readonly Histogram<int> Group = Meter.CreateHistogram("messaging.commit.units", "{unit}",
        "Units of work that share one commit",
        advice: new InstrumentAdvice<int> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256] });

    static readonly UpDownCounter<int> QuarantinedRows = Meter.CreateUpDownCounter<int>("messaging.quarantine.rows",
        "{row}", "Locked rows whose units of work wait in a queue of their own");

    static readonly KeyValuePair<string, object?> SendOperation = new("messaging.operation.name", "send");
    static readonly KeyValuePair<string, object?> ProcessOperation = new("messaging.operation.name", "process");

    static readonly KeyValuePair<string, object?>[] Outcomes =
        [.. Enum.GetNames<ConsumeOutcome>().Select(x => KeyValuePair.Create("outcome", (object?)x.ToLowerInvariant()))];

    /// <summary>A message is handed to the broker.</summary>
    public static void MessageSent(string address)
    {
        if (Sent.Enabled && Destination.Of(address) is var destination)
            Sent.Add(1, destination.System, destination.Name, SendOperation);
    }

    /// <summary>The broker has confirmed a message, or the send has failed.</summary>
    public static void SendEnded(string address, TimeSpan duration, Exception? error)
    {
        if (!Send.Enabled)
            return;
        var destination = Destination.Of(address);
        if (error == null)
            Send.Record(duration.TotalSeconds, destination.System, destination.Name, SendOperation);
        else
            Send.Record(duration.TotalSeconds,
                [destination.System, destination.Name, SendOperation, new("error.type", error.GetType().Name)]);
    }

    /// <summary>A consumer has ended with a message.</summary>
    public static void MessageConsumed(Uri queue, ConsumeOutcome outcome)
    {
        if (Consumed.Enabled && Destination.Of(queue) is var destination)
            Consumed.Add(1, [destination.System, destination.Name, ProcessOperation, Outcomes[(int)outcome]]);
    }

    /// <summary>A commit has ended.</summary>
    public static void CommitEnded(int units, TimeSpan duration, bool succeeded)
    {
        Commit.Record(duration.TotalSeconds, CommitOutcome(succeeded));
        if (succeeded)
            Group.Record(units);
    }

    /// <summary>Rows have entered quarantine, or left it if the number is negative.</summary>
    public static void RowsQuarantined(int count)
    {
        if (count != 0)
            QuarantinedRows.Add(count);
    }

    static KeyValuePair<string, object?> CommitOutcome(bool succeeded) =>
        new("outcome", succeeded ? "committed" : "failed");
}
