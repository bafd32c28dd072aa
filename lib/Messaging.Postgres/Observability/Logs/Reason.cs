using System.Net.Sockets;
using MassTransit;

namespace Messaging.Postgres.Observability;

/// <summary>The cause of an error, as one line of a log.</summary>
public static class Reason
{
    const int MaxLength = 300; // RabbitMQ.Client's messages can contain stack traces

    /// <summary>The message of the cause; that of a lost connection after the one that names the server.</summary>
    public static string Of(Exception error)
    {
        ArgumentNullException.ThrowIfNull(error);
        var (outer, cause) = (error, error.GetBaseException());
        while (outer.InnerException is { } inner && inner != cause)
            outer = inner;
        var text = cause is SocketException or IOException or TimeoutException && outer != cause
            ? $"{outer.Message}: {cause.Message}" : cause.Message;
        text = text.ReplaceLineEndings(" ").TrimEnd('.');
        return text.Length <= MaxLength ? text : $"{text[..MaxLength]}…";
    }

    /// <summary>
    /// The error if its stack trace is worth a log's space; null for those that an unavailable server causes.
    /// </summary>
    public static Exception? Unexpected(Exception error) => PostgresErrors.IsUnavailable(error)
        || error is MassTransitException or OperationCanceledException ? null : error;
}
