using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Middleware;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Database;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Inbox;

/// <summary>
/// Consumes a message with one commit. Either the inbox row, the handler's changes and its captured messages are all
/// there, or none is; the broker's next delivery then meets the inbox row, or starts afresh.
/// </summary>
sealed class OutboxContextFactory<TDbContext>(
    UnitOfWork<TDbContext> unit,
    Committer<TDbContext> committer,
    OutboxStore<TDbContext> store,
    OutboxSender<TDbContext> sender,
    OutboxOptions<TDbContext> options,
    DatabaseClock<TDbContext> clock,
    OutboxSaveChangesInterceptor<TDbContext> handOver,
    IServiceProvider provider) : IOutboxContextFactory<TDbContext>
    where TDbContext : DbContext
{
    public async Task Send<T>(ConsumeContext<T> context, OutboxConsumeOptions consume, IPipe<OutboxConsumeContext<T>> next)
        where T : class
    {
        var started = context.ReceiveContext.ElapsedTime;
        var messageId = context.GetOriginalMessageId()
            ?? throw new MessageException(typeof(T), "A message needs an id to be consumed with an outbox");
        var delivery = new OutboxConsumeContext<TDbContext, T>(context, consume, provider, unit, committer, store, sender, options, clock,
            handOver, next, messageId);
        if (delivery.IsWarmUp)
        {
            await delivery.HandleAndCommit().ConfigureAwait(false);
            return;
        }

        var isRepeat = await delivery.ReceiveOnce().ConfigureAwait(false);
        if (isRepeat && context.ReceiveContext is { IsDelivered: false, IsFaulted: false })
            await context.NotifyConsumed(context, context.ReceiveContext.ElapsedTime - started, consume.ConsumerType)
                .ConfigureAwait(false);
    }

    public void Probe(ProbeContext context) =>
        context.CreateFilterScope("outboxContextFactory").Add("provider", "postgres");
}
