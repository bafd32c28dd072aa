namespace Messaging.RabbitMq;

/// <summary>A message was sent by somebody whose messages the service does not accept.</summary>
/// <param name="sender">The login of the sender; null if the message has none.</param>
sealed class UntrustedSenderException(string? sender) : Exception(sender == null
    ? "The message has no sender (the property user-id), so anybody can have sent it"
    : $"The message was sent by the user {sender}, whose messages this queue does not accept");
