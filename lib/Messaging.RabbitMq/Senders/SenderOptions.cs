namespace Messaging.RabbitMq;

/// <summary>
/// Whose messages a service accepts, by the names of the broker's users. RabbitMQ checks that the property user-id of
/// a message is the login of its sender.
/// </summary>
public sealed class SenderOptions
{
    /// <summary>The users whose messages are accepted, besides the service's own. Default: none.</summary>
    public ISet<string> Trusted { get; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>
    /// The users who return messages to their queue: the sender is the one that the service had verified before it
    /// moved the message. Default: none.
    /// </summary>
    public ISet<string> Replayers { get; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>
    /// Whether messages without a sender are accepted: during the upgrade from a build that does not sign its messages.
    /// Default: false.
    /// </summary>
    public bool AcceptUnsigned { get; set; }
}
