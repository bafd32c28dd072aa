using MassTransit;
using Messaging.Postgres.Inbox;

namespace Messaging.Postgres.Scheduling;

/// <summary>Schedules and unschedules in the unit of work of the message that is being consumed.</summary>
sealed class ConsumeScheduleMessageProvider(ISendEndpointProvider endpoints, IOutboxConsumeContext consume)
    : OutboxScheduleMessageProvider(endpoints)
{
    public override Task CancelScheduledSend(Guid tokenId, CancellationToken cancellationToken)
    {
        consume.Unschedule(tokenId);
        return Task.CompletedTask;
    }
}
