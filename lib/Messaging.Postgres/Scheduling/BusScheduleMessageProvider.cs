using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Scheduling;

/// <summary>
/// Schedules and unschedules with the DbContext's next SaveChanges, or in its open transaction. If a message is sent
/// while it is being cancelled, that SaveChanges fails with a concurrency conflict. Inside a consumer with an outbox,
/// the consumer's unit of work schedules and unschedules.
/// </summary>
sealed class BusScheduleMessageProvider<TDbContext>(ISendEndpointProvider endpoints, TDbContext db,
    OutboxStore<TDbContext> store, UnitOfWork<TDbContext> unit)
    : OutboxScheduleMessageProvider(endpoints)
    where TDbContext : DbContext
{
    public override async Task CancelScheduledSend(Guid tokenId, CancellationToken cancellationToken)
    {
        if (unit.Consumed != null)
        {
            unit.Unschedule(tokenId);
            return;
        }

        foreach (var pending in db.ChangeTracker.Entries<OutboxMessage>().Where(x => x.Entity.TokenId == tokenId)
            .ToList())
            pending.State = EntityState.Detached;
        if (db.Database.CurrentTransaction != null)
            await store.Unschedule(db, tokenId, cancellationToken).ConfigureAwait(false);
        else
            db.RemoveRange(await db.Set<OutboxMessage>().Where(x => x.TokenId == tokenId).ToListAsync(cancellationToken)
                .ConfigureAwait(false));
    }
}
