using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Observability;
using Microsoft.EntityFrameworkCore;
using Operations.V1;

namespace Service.Defaults;

/// <summary>Shows operators what is in a service's outbox.</summary>
public static class PendingMessages
{
    /// <summary>The outbox has no index by order. It is almost empty, unless the broker is down.</summary>
    const int MaxScanned = 100_000;

    const string TypePrefix = "urn:message:";

    /// <summary>
    /// Finds the messages that name an order, among those that are due first. A message stays for a moment after the
    /// broker has confirmed it.
    /// </summary>
    public static async Task<IReadOnlyList<PendingMessage>> FindAsync(
        DbContext db, Guid orderId, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(db);
        var named = $"%{orderId}%";
        var rows = await db.Set<OutboxMessage>().AsNoTracking().OrderBy(x => x.EnqueueTime).Take(MaxScanned)
            .Where(x => EF.Functions.Like(x.Body, named)).ToListAsync(cancellationToken);
        return [.. rows.OrderBy(x => x.SentTime).Select(ToProto)];
    }

    /// <summary>Converts a row of the outbox.</summary>
    public static PendingMessage ToProto(this OutboxMessage row)
    {
        ArgumentNullException.ThrowIfNull(row);
        var (body, orderId) = Read(row.Body);
        return new PendingMessage
        {
            PendingMessageId = $"{row.Id}",
            MessageId = $"{row.MessageId}",
            MessageType = row.MessageType.Split(';')[0].Replace(TypePrefix, "", StringComparison.Ordinal),
            Destination = (string)Destination.Of(row.DestinationAddress).Name.Value!,
            State = row.Parked != null ? PendingMessage.Types.State.Parked
                : row is { TokenId: not null, OwnerId: null } ? PendingMessage.Types.State.Scheduled
                : PendingMessage.Types.State.Unsent,
            CreateTime = row.SentTime.ToTimestamp(),
            SendTime = row is { Parked: null, OwnerId: null } ? row.EnqueueTime.ToTimestamp() : null,
            Error = row.LastError ?? "",
            Body = body,
            OrderId = orderId,
        };
    }

    /// <summary>The message in its envelope, and the order that it names; the body itself if it is no JSON.</summary>
    static (string Body, string OrderId) Read(string body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            var message = json.RootElement is { ValueKind: JsonValueKind.Object } envelope
                && envelope.TryGetProperty("message", out var inner) ? inner : json.RootElement;
            return (message.GetRawText(), message.ValueKind == JsonValueKind.Object
                && message.TryGetProperty("orderId", out var id) && id.ValueKind == JsonValueKind.String
                ? id.GetString()! : "");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return (body, "");
        }
    }
}
