using MassTransit;
using MassTransit.Middleware;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Consumes a message with one commit. Either the inbox row, the handler's changes and its captured messages are all
/// there, or none is; the broker's next delivery then meets the inbox row, or starts afresh.
/// </summary>
sealed class OutboxContextFactory<TDbContext>(
    TDbContext db,
    UnitOfWork<TDbContext> work,
    Committer<TDbContext> committer,
    OutboxStore<TDbContext> store,
    OutboxSender<TDbContext> sender,
    OutboxOptions<TDbContext> options,
    DatabaseClock<TDbContext> clock,
    IServiceProvider provider) : IOutboxContextFactory<TDbContext>
    where TDbContext : DbContext
{
    public async Task Send<T>(ConsumeContext<T> context, OutboxConsumeOptions consume, IPipe<OutboxConsumeContext<T>> next)
        where T : class
    {
        var messageId = context.GetOriginalMessageId()
            ?? throw new MessageException(typeof(T), "A message needs an id to be consumed with an outbox");
        var unit = new OutboxUnitContext<TDbContext, T>(context, consume, provider, work, committer, store,
            clock, options.DeliveryLease, messageId);
        var started = context.ReceiveContext.ElapsedTime;

        // A redelivery is likely to be a duplicate; any other delivery finds that out by the inbox's key.
        if (context.ReceiveContext.Redelivered
            && await store.IsConsumed(db, messageId, consume.ConsumerId, context.CancellationToken).ConfigureAwait(false))
            unit.IsDuplicate = true;
        else
        {
            var tries = 0;
            await db.Database.CreateExecutionStrategy().ExecuteAsync(() =>
            {
                if (tries++ > 0)
                    unit.Reset(); // not before the first try: what outer filters did in the scope belongs to it
                return Handle(unit, next);
            }).ConfigureAwait(false);
        }

        if (!unit.IsDuplicate)
        {
            await sender.SendAll(unit.ToSend, context.CancellationToken).ConfigureAwait(false);
            return;
        }

        // The first delivery committed but may have died before it sent everything.
        var left = await store.LeftBy(db, messageId, consume.ConsumerId, context.CancellationToken).ConfigureAwait(false);
        await sender.SendAll(left, context.CancellationToken).ConfigureAwait(false);
        if (context.ReceiveContext is { IsDelivered: false, IsFaulted: false })
            await context.NotifyConsumed(context, context.ReceiveContext.ElapsedTime - started, consume.ConsumerType)
                .ConfigureAwait(false);
    }

    async Task Handle<T>(OutboxUnitContext<TDbContext, T> unit, IPipe<OutboxConsumeContext<T>> next) where T : class
    {
        try
        {
            await using var transaction = await db.Database.BeginTransactionAsync(options.IsolationLevel, unit.CancellationToken)
                .ConfigureAwait(false);
            await next.Send(unit).ConfigureAwait(false);
        }
        catch (Exception) when (!unit.IsCommitted)
        {
            // A repeat may also fail in the handler or on a key of its own, before it meets the inbox.
            if (!await unit.FindDuplicate().ConfigureAwait(false))
                throw;
        }
    }

    public void Probe(ProbeContext context) =>
        context.CreateFilterScope("outboxContextFactory").Add("provider", "postgres");
}
