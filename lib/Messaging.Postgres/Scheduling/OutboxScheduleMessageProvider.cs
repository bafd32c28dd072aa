using MassTransit;
using MassTransit.Scheduling;

namespace Messaging.Postgres.Scheduling;

/// <summary>
/// Schedules a message by sending it with a delay. The outbox keeps it as a row with its due time and its token, which
/// commits with the state that scheduled it. No broker plugin is involved.
/// </summary>
abstract class OutboxScheduleMessageProvider(ISendEndpointProvider endpoints) : IScheduleMessageProvider
{
    public async Task<ScheduledMessage<T>> ScheduleSend<T>(Uri destinationAddress, DateTime scheduledTime, T message,
        IPipe<SendContext<T>> pipe, CancellationToken cancellationToken) where T : class
    {
        var token = ScheduleTokenIdCache<T>.GetTokenId(message);
        var schedule = new ScheduleSendPipe<T>(pipe, scheduledTime) { ScheduledMessageId = token };
        var endpoint = await endpoints.GetSendEndpoint(destinationAddress).ConfigureAwait(false);
        await endpoint.Send(message, schedule, cancellationToken).ConfigureAwait(false);
        return new ScheduledMessageHandle<T>(schedule.ScheduledMessageId ?? token, scheduledTime, destinationAddress,
            message);
    }

    public abstract Task CancelScheduledSend(Guid tokenId, CancellationToken cancellationToken);

    public Task CancelScheduledSend(Uri destinationAddress, Guid tokenId, CancellationToken cancellationToken) =>
        CancelScheduledSend(tokenId, cancellationToken);
}
