using System.Diagnostics;
using System.Text.Json;

namespace Messaging.Postgres.Observability;

/// <summary>
/// The object that a message concerns, such as an order: all spans and log lines of the message name it, so that those
/// of one object can be found.
/// </summary>
/// <param name="Name">The name of the tag of a span, such as <c>order.id</c>.</param>
/// <param name="Field">The name of the field of a log line, and of the property of a message, such as OrderId.</param>
/// <param name="Subject">What the object is called in a log line, such as order.</param>
/// <param name="ValueOf">
/// The id of the object that a message concerns, as text; an array of ids for several; null if there is none.
/// </param>
public sealed record MessageTag(string Name, string Field, string Subject, Func<object, object?> ValueOf)
{
    const int MaxDescribed = 3;

    /// <summary>Sets the tag; does nothing for a message that concerns no object.</summary>
    internal void Set(Activity span, object? value)
    {
        if (value != null)
            span.SetTag(Name, value);
    }

    /// <summary>The objects as a log line names them: <c>order 0198…</c>, or <c>no order</c>.</summary>
    internal string Describe(object? value) => value switch
    {
        null => $"no {Subject}",
        string[] and [var single] => $"{Subject} {single}",
        string[] { Length: > MaxDescribed } ids =>
            $"{Subject}s {string.Join(", ", ids[..MaxDescribed])} and {ids.Length - MaxDescribed} more",
        string[] ids => $"{Subject}s {string.Join(", ", ids)}",
        _ => $"{Subject} {value}",
    };

    /// <summary>The value for a message in MassTransit's envelope; null if it cannot be read.</summary>
    internal object? Find(string envelope)
    {
        var property = JsonNamingPolicy.CamelCase.ConvertName(Field);
        try
        {
            using var json = JsonDocument.Parse(envelope);
            if (!json.RootElement.TryGetProperty("message", out var message))
                return null;
            if (message.TryGetProperty(property, out var id))
                return id.GetString();
            return message.TryGetProperty($"{property}s", out var ids)
                ? ids.EnumerateArray().Select(x => x.GetString()!).ToArray() : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null; // another format, which a line can do without
        }
    }
}
