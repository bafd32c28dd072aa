using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Middleware;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Database;
using Messaging.Postgres.Observability;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Inbox;

/// <summary>
/// Consumes a message with one commit: the inbox row, the handler's changes and its captured messages become durable
/// together or not at all. The broker's next delivery finds the inbox row, or starts again.
/// </summary>
sealed class OutboxContextFactory<TDbContext>(
    UnitOfWork<TDbContext> unit,
    Committer<TDbContext> committer,
    OutboxStore<TDbContext> store,
    MessageDispatcher<TDbContext> dispatcher,
    OutboxOptions<TDbContext> options,
    DatabaseClock<TDbContext> clock,
    HandlerTransactionInterceptor handlerTransactions,
    MessageFailures<TDbContext> failures,
    IServiceProvider provider) : IOutboxContextFactory<TDbContext>
    where TDbContext : DbContext
{
    /// <summary>How long the query of the clock may take, beyond the pause between two.</summary>
    static readonly TimeSpan ClockTolerance = TimeSpan.FromSeconds(2);

    public async Task Send<T>(ConsumeContext<T> context, OutboxConsumeOptions consume,
        IPipe<OutboxConsumeContext<T>> next)
        where T : class
    {
        var started = context.ReceiveContext.ElapsedTime;
        var messageId = context.GetOriginalMessageId()
            ?? throw new MessageException(typeof(T), "A message needs an id to be consumed with an outbox");
        var attempt = new OutboxConsumeContext<TDbContext, T>(context, consume, provider, unit, committer, store,
            dispatcher, options, handlerTransactions, next, messageId);
        if (attempt.IsWarmUp)
        {
            await attempt.HandleAndCommit().ConfigureAwait(false);
            return;
        }

        bool isDuplicate;
        var span = MessageSpans.StartProcess(context, options.MessageTag);
        try
        {
            isDuplicate = await attempt.ReceiveOnce().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            span.End(e);
            MessagingMetrics.MessageConsumed(context.ReceiveContext.InputAddress, ConsumeOutcome.Failed);
            failures.Failed(context, e);
            await attempt.ReportFault().ConfigureAwait(false);
            var answer = clock.LastSet;
            FalseOutage.Count(context.ReceiveContext, e, answer,
                isRecent: clock.GetElapsedTime(answer) < options.QueryDelay + ClockTolerance);
            throw;
        }

        span?.SetTag("messaging.duplicate", isDuplicate);
        span.End(error: null);
        MessagingMetrics.MessageConsumed(context.ReceiveContext.InputAddress,
            isDuplicate ? ConsumeOutcome.Duplicate : ConsumeOutcome.Committed);
        failures.Succeeded();
        if (!isDuplicate)
            await attempt.ReportFault().ConfigureAwait(false);
        if (isDuplicate && context.ReceiveContext is { IsDelivered: false, IsFaulted: false })
            await context.NotifyConsumed(context, context.ReceiveContext.ElapsedTime - started, consume.ConsumerType)
                .ConfigureAwait(false);
    }

    public void Probe(ProbeContext context) =>
        context.CreateFilterScope("outboxContextFactory").Add("provider", "postgres");
}
