using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>Logs that messages are postponed because a newer build has written their row.</summary>
public sealed partial class NewerBuildLog(TimeProvider time, ILogger<NewerBuildLog> log)
{
    readonly LogLimit _limit = new(time);

    /// <summary>A message is postponed.</summary>
    /// <param name="messageType">The name of its type.</param>
    /// <param name="orderId">Its order.</param>
    /// <param name="situation">Which row is in which state.</param>
    public void Postponed(string messageType, Guid orderId, string situation)
    {
        if (_limit.IsDue((messageType, situation), out var count))
            LogPostponed(messageType, orderId, situation, count);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "{MessageType} of order {OrderId} is postponed: {Situation} that only a newer build knows. It is tried again "
        + "until a replica of that build handles it; finish the upgrade. Postponements since the last such line: "
        + "{Count}")]
    partial void LogPostponed(string messageType, Guid orderId, string situation, int count);
}
