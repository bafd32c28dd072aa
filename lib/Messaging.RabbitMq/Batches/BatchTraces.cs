using System.Diagnostics;
using Messaging.Postgres.Observability;
using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>
/// The trace contexts of a batch's members, in a header of the batch: replicas that do not know the header ignore it. A
/// batch without a traced member has no such header.
/// </summary>
/// <remarks>Per traced member: its index, the trace flags, the trace id, the span id.</remarks>
static class BatchTraces
{
    const string Header = "MT-Activity-Ids";
    const int TraceIdSize = 16;
    const int SpanIdSize = 8;
    const int EntrySize = 2 + TraceIdSize + SpanIdSize;

    /// <summary>Writes the header if a member is traced.</summary>
    public static void Write(IEnumerable<UnconfirmedMessage> members, BasicProperties batch)
    {
        List<byte>? header = null;
        Span<byte> entry = stackalloc byte[EntrySize];
        foreach (var (index, member) in members.Index())
            if (member.Properties.Headers?.TryGetValue(MessageSpans.Header, out var value) == true
                && value is string parent && ActivityContext.TryParse(parent, null, out var context))
            {
                entry[0] = (byte)index; // a batch has at most a hundred members
                entry[1] = (byte)context.TraceFlags;
                context.TraceId.CopyTo(entry.Slice(2, TraceIdSize)); // must have that size exactly
                context.SpanId.CopyTo(entry.Slice(2 + TraceIdSize, SpanIdSize));
                (header ??= []).AddRange(entry);
            }

        if (header != null)
            batch.Headers = new Dictionary<string, object?> { [Header] = header.ToArray() };
    }

    /// <summary>Gives each traced member the header of a single message.</summary>
    public static void Read(IReadOnlyBasicProperties batch,
        IReadOnlyList<(BasicProperties Properties, ReadOnlyMemory<byte> Body)> members)
    {
        if (batch.Headers?.TryGetValue(Header, out var value) != true || value is not byte[] header)
            return;
        for (var entry = header.AsSpan(); entry.Length >= EntrySize; entry = entry[EntrySize..])
            if (entry[0] < members.Count)
            {
                var trace = ActivityTraceId.CreateFromBytes(entry.Slice(2, TraceIdSize));
                var span = ActivitySpanId.CreateFromBytes(entry.Slice(2 + TraceIdSize, SpanIdSize));
                members[entry[0]].Properties.Headers = new Dictionary<string, object?>
                {
                    [MessageSpans.Header] = $"00-{trace}-{span}-{entry[1]:x2}",
                };
            }
    }
}
