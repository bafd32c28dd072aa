using System.Text;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>Knows who has sent a message, and whose messages the service accepts.</summary>
/// <remarks>
/// The sender of a received message is in a header instead of the property user-id: the service could not move the
/// message to its error queue with the user-id of somebody else, and the header stays when it is returned from there.
/// </remarks>
sealed class MessageSenders(IOptions<SenderOptions> options, BrokerConnection connection)
{
    /// <summary>The header with the login of the sender, as the broker has verified it.</summary>
    public const string Header = "Verified-Sender";

    /// <summary>The properties of a received message with its sender in the header.</summary>
    public BasicProperties Verify(IReadOnlyBasicProperties received)
    {
        var properties = new BasicProperties(received);
        if (received.UserId is not { } user || !options.Value.Replayers.Contains(user))
        {
            properties.Headers = new Dictionary<string, object?>(received.Headers ?? new Dictionary<string, object?>());
            properties.Headers.Remove(Header);
            if (received.UserId is { } sender)
                properties.Headers[Header] = sender;
        }

        properties.ClearUserId();
        return properties;
    }

    /// <summary>The sender of a message that <see cref="Verify" /> has changed; null if it has none.</summary>
    public static string? Of(IReadOnlyBasicProperties properties) =>
        properties.Headers?.TryGetValue(Header, out var sender) != true ? null
        : sender as string ?? (sender is byte[] text ? Encoding.UTF8.GetString(text) : null);

    /// <summary>Whether the messages of a sender are accepted.</summary>
    public bool Accepts(string? sender) => sender == null ? options.Value.AcceptUnsigned
        : sender == connection.UserName || options.Value.Trusted.Contains(sender);
}
