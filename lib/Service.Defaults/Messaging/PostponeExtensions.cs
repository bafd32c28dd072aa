using MassTransit;
using Messaging.RabbitMq;

namespace Service.Defaults;

/// <summary>Puts messages off that this build cannot handle, because a newer one has written their row.</summary>
public static class PostponeExtensions
{
    static readonly TimeSpan MaxPause = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Schedules the message instead of handling it: any replica receives it later, perhaps one of the newer build. The
    /// pauses grow from one second to a minute. Commits with the consumer's unit of work.
    /// </summary>
    public static Task PostponeAsync<T>(this ConsumeContext<T> context) where T : class
    {
        ArgumentNullException.ThrowIfNull(context);
        var seconds = Math.Min(Math.Pow(2, context.GetRedeliveryCount()), MaxPause.TotalSeconds);
        return context.Redeliver(TimeSpan.FromSeconds(seconds), (_, send) =>
        {
            // The inbox takes a message with the id of this one for a duplicate.
            send.Headers.Set(MessageHeaders.OriginalMessageId, (string?)null);
            send.RequireQueue();
        });
    }
}
