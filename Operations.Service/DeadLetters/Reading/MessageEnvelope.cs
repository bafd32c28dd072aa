using System.Text;
using System.Text.Json;

namespace Operations;

/// <summary>What operators need of MassTransit's envelope around a message.</summary>
/// <param name="MessageType">The first type, such as Contracts:ReserveFunds; empty if it cannot be read.</param>
/// <param name="OrderIds">The orders that the message names.</param>
/// <param name="SendTime">When it was sent, or null.</param>
/// <param name="Body">The message as JSON, or its text if it cannot be read.</param>
sealed record MessageEnvelope(string MessageType, IReadOnlyList<Guid> OrderIds, DateTime? SendTime, string Body)
{
    const string TypePrefix = "urn:message:";
    const int MaxText = 4096; // characters of a message that cannot be read

    /// <summary>Reads an envelope; one that cannot be read has no type.</summary>
    public static MessageEnvelope Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            if (json.RootElement is { ValueKind: JsonValueKind.Object } envelope
                && envelope.TryGetProperty("message", out var message)
                && envelope.TryGetProperty("messageType", out var types)
                && types is { ValueKind: JsonValueKind.Array } && types.GetArrayLength() > 0)
                return new MessageEnvelope(TypeOf(types[0].ToString()), OrderIdsOf(message),
                    envelope.TryGetProperty("sentTime", out var time) && time.ValueKind == JsonValueKind.String
                    && time.TryGetDateTime(out var sent)
                        ? sent.ToUniversalTime() : null,
                    message.GetRawText());
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // JSON, or text in it, is invalid
        {
            // Shown as text.
        }

        var text = Encoding.UTF8.GetString(body.Span[..Math.Min(body.Length, MaxText)]);
        return new MessageEnvelope("", [], null, text);
    }

    /// <summary>The name of a message type without its namespace.</summary>
    public static string NameOf(string type) => type.Split(':')[^1];

    static string TypeOf(string urn) =>
        urn.StartsWith(TypePrefix, StringComparison.Ordinal) ? urn[TypePrefix.Length..] : urn;

    /// <summary>The property orderId or orderIds, which every message about orders has.</summary>
    static List<Guid> OrderIdsOf(JsonElement message)
    {
        if (message.ValueKind != JsonValueKind.Object)
            return [];
        if (message.TryGetProperty("orderId", out var id) && id.ValueKind == JsonValueKind.String
            && id.TryGetGuid(out var single))
            return [single];
        return message.TryGetProperty("orderIds", out var ids) && ids.ValueKind == JsonValueKind.Array
            ? [.. ids.EnumerateArray().Where(x => x.ValueKind == JsonValueKind.String && x.TryGetGuid(out _))
                .Select(x => x.GetGuid())]
            : [];
    }
}
