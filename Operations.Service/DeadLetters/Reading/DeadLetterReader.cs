using System.Globalization;
using System.Text;
using Google.Protobuf.WellKnownTypes;
using MassTransit;
using Operations.V1;
using RabbitMQ.Client;

namespace Operations;

/// <summary>Reads dead letters, with the headers that MassTransit adds when it moves a message.</summary>
static class DeadLetterReader
{
    static readonly string[] AddedPrefixes = ["MT-Fault-", "MT-Host-"];

    /// <summary>Reads a message of a queue of failed or skipped messages.</summary>
    public static DeadLetterMessage Read(string deadQueue, IReadOnlyBasicProperties properties,
        ReadOnlyMemory<byte> body)
    {
        var (kind, queue) = DeadLetterQueues.OriginOf(deadQueue);
        var envelope = MessageEnvelope.Read(body);
        var trace = Header(properties, MessageHeaders.FaultStackTrace);
        var reason = Header(properties, MessageHeaders.FaultMessage);
        return new DeadLetterMessage
        {
            Cause = new DeadLetterCause(kind, queue, envelope.MessageType,
                Header(properties, MessageHeaders.FaultExceptionType), FaultPlace.Find(trace)),
            MessageId = properties.MessageId ?? "",
            OrderIds = envelope.OrderIds,
            Reason = reason.Length > 0 || kind != DeadLetterKind.Skipped ? reason
                : "no consumer of the queue handles its type",
            StackTrace = trace,
            Body = envelope.Body,
            SendTime = envelope.SendTime,
            FailTime = DateTime.TryParse(Header(properties, MessageHeaders.FaultTimestamp),
                CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal, out var time) ? time : null,
        };
    }

    /// <summary>Reads a parked message of a service.</summary>
    public static DeadLetterMessage Read(string service, PendingMessage message)
    {
        var error = message.Error.Split(':', 2);
        return new DeadLetterMessage
        {
            Cause = new DeadLetterCause(DeadLetterKind.Parked, message.Destination, message.MessageType,
                error.Length > 1 ? error[0] : "", "", service),
            MessageId = message.MessageId,
            OrderIds = Guid.TryParse(message.OrderId, out var order) ? [order] : [],
            Reason = message.Error,
            Body = message.Body,
            SendTime = message.CreateTime?.ToDateTime(),
            PendingMessageId = message.PendingMessageId,
        };
    }

    /// <summary>
    /// The properties with which a message is replayed: those that it had before it was moved, and its first sender in
    /// a header.
    /// </summary>
    /// <param name="moved">The properties of the dead letter.</param>
    /// <param name="userName">The login that replays it.</param>
    public static BasicProperties ReplayProperties(IReadOnlyBasicProperties moved, string userName)
    {
        var properties = new BasicProperties(moved) { UserId = userName };
        var headers = moved.Headers?.Where(x => x.Key != MessageHeaders.Reason
            && (x.Key == MessageHeaders.FaultAddress || !AddedPrefixes.Any(y =>
                x.Key.StartsWith(y, StringComparison.Ordinal)))).ToDictionary(x => x.Key, x => x.Value);
        properties.Headers = headers is { Count: > 0 } ? headers : null;
        return properties;
    }

    /// <summary>Converts a message to that of the API.</summary>
    public static DeadLetter ToProto(this DeadLetterMessage letter) => new()
    {
        MessageId = letter.MessageId,
        MessageType = letter.Cause.MessageType,
        OrderIds = { letter.OrderIds.Select(x => x.ToString()) },
        SendTime = letter.SendTime?.ToTimestamp(),
        FailTime = letter.FailTime?.ToTimestamp(),
        Reason = letter.Reason,
        StackTrace = letter.StackTrace,
        Body = letter.Body,
    };

    static string Header(IReadOnlyBasicProperties properties, string name) =>
        properties.Headers?.TryGetValue(name, out var value) != true ? ""
        : value is byte[] bytes ? Encoding.UTF8.GetString(bytes) : $"{value}";
}
