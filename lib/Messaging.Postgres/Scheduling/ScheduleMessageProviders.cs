using MassTransit;
using MassTransit.DependencyInjection;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Scheduling;
using Messaging.Postgres.Inbox;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Scheduling;

/// <summary>
/// Schedules by sending with a delay, which an outbox keeps as a row with its time and its token. No broker plugin
/// takes part; the row commits with the state that scheduled it.
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
        return new ScheduledMessageHandle<T>(schedule.ScheduledMessageId ?? token, scheduledTime, destinationAddress, message);
    }

    public abstract Task CancelScheduledSend(Guid tokenId, CancellationToken cancellationToken);

    public Task CancelScheduledSend(Uri destinationAddress, Guid tokenId, CancellationToken cancellationToken) =>
        CancelScheduledSend(tokenId, cancellationToken);
}

/// <summary>Schedules and unschedules in the transaction of the message that is being consumed.</summary>
sealed class ConsumeScheduleMessageProvider(ISendEndpointProvider endpoints, IOutboxConsumeContext unit)
    : OutboxScheduleMessageProvider(endpoints)
{
    public override Task CancelScheduledSend(Guid tokenId, CancellationToken cancellationToken)
    {
        unit.Unschedule(tokenId);
        return Task.CompletedTask;
    }
}

/// <summary>
/// Schedules and unschedules with the DbContext's next SaveChanges, or in its open transaction. A message that is
/// sent in the moment of its cancellation makes that SaveChanges fail with a concurrency conflict. Inside a consumer
/// with an outbox, its unit of work does both.
/// </summary>
sealed class BusScheduleMessageProvider<TDbContext>(ISendEndpointProvider endpoints, TDbContext db, OutboxStore<TDbContext> store,
    Bind<IBus, IScopedConsumeContextProvider> consume)
    : OutboxScheduleMessageProvider(endpoints)
    where TDbContext : DbContext
{
    public override async Task CancelScheduledSend(Guid tokenId, CancellationToken cancellationToken)
    {
        if (consume.Value.HasContext && consume.Value.GetContext().TryGetPayload<IOutboxConsumeContext>(out var unit))
        {
            unit.Unschedule(tokenId);
            return;
        }

        foreach (var pending in db.ChangeTracker.Entries<OutboxMessage>().Where(x => x.Entity.TokenId == tokenId).ToList())
            pending.State = EntityState.Detached;
        if (db.Database.CurrentTransaction != null)
            await store.Unschedule(db, tokenId, cancellationToken).ConfigureAwait(false);
        else
            db.RemoveRange(await db.Set<OutboxMessage>().Where(x => x.TokenId == tokenId).ToListAsync(cancellationToken)
                .ConfigureAwait(false));
    }
}
