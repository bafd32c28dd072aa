using MassTransit;
using MassTransit.Context;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using MassTransit.Scheduling;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>What a payload says that a message is being consumed with an outbox, in the context's open transaction.</summary>
interface IOutboxUnit
{
    DbContext DbContext { get; }
    void Unschedule(Guid tokenId);
}

/// <summary>
/// Consumes one message in its scope's unit of work: captures what the handler sends, publishes, schedules and
/// unschedules, and commits that with the handler's changes when the handler has returned.
/// </summary>
sealed class OutboxUnitContext<TDbContext, TMessage> : OutboxConsumeContextProxy<TMessage>, IOutboxUnit
    where TDbContext : DbContext
    where TMessage : class
{
    readonly DatabaseClock<TDbContext> _clock;
    readonly Committer<TDbContext> _committer;
    readonly TimeSpan _lease;
    readonly Guid _messageId;
    readonly OutboxStore<TDbContext> _store;
    readonly UnitOfWork<TDbContext> _unit;

    public OutboxUnitContext(ConsumeContext<TMessage> context, OutboxConsumeOptions options, IServiceProvider provider,
        UnitOfWork<TDbContext> unit, Committer<TDbContext> committer, OutboxStore<TDbContext> store, DatabaseClock<TDbContext> clock,
        TimeSpan lease, Guid messageId)
        : base(context, options, provider)
    {
        (_unit, _committer, _store, _clock, _lease, _messageId) = (unit, committer, store, clock, lease, messageId);
        unit.Consumed = new InboxState { MessageId = messageId, ConsumerId = options.ConsumerId };
        context.AddOrUpdatePayload<MessageSchedulerContext>(Scheduler, _ => Scheduler());
    }

    public bool IsCommitted { get; private set; }
    public bool IsDuplicate { get; set; }
    public DbContext DbContext => _unit.DbContext;
    public override Guid? MessageId => _messageId;
    public override bool ContinueProcessing { get; set; }
    public override bool IsMessageConsumed => false;
    public override bool IsOutboxDelivered => false;
    public override int ReceiveCount => 1;
    public override long? LastSequenceNumber => null;

    ConsumeMessageSchedulerContext Scheduler() => new(this, consume => new MessageScheduler(
        new UnitScheduleMessageProvider(consume, this), consume.ReceiveContext.GetPayload<IBusTopology>()));

    public IReadOnlyList<OutboxMessage> ToSend => [.. _unit.Messages.Where(x => !x.IsDelayed)];

    /// <summary>Before a repeat: the handler starts again from nothing.</summary>
    public void Reset() => _unit.Clear();

    public void Unschedule(Guid tokenId) => _unit.Unschedule(tokenId);

    public override Task AddSend<T>(SendContext<T> context)
    {
        var message = OutboxMessage.Capture(context, _clock.UtcNow, _lease);
        message.InboxMessageId = _messageId;
        message.InboxConsumerId = ConsumerId;
        _unit.Add(message);
        return Task.CompletedTask;
    }

    public override async Task SetConsumed()
    {
        try
        {
            await _committer.Commit(_unit, CancellationToken).ConfigureAwait(false);
            IsCommitted = true;
        }
        catch (Exception)
        {
            if (!await FindDuplicate().ConfigureAwait(false))
                throw;
        }
    }

    /// <summary>
    /// After a failure: rolls back and looks whether the message is consumed, by another delivery or by a commit
    /// whose answer was lost.
    /// </summary>
    public async Task<bool> FindDuplicate()
    {
        try
        {
            var db = _unit.DbContext;
            if (db.Database.CurrentTransaction is { } transaction)
                await transaction.DisposeAsync().ConfigureAwait(false);
            db.ChangeTracker.Clear();
            IsDuplicate = await _store.IsConsumed(db, _messageId, ConsumerId, CancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // The failure that led here is the one to report; the database that cannot be asked is its cause or its equal.
            LogContext.Debug?.Log(e, "The inbox could not be asked for message {MessageId}", _messageId);
        }

        return IsDuplicate;
    }

    public override Task SetDelivered() => Task.CompletedTask;

    public override Task<List<OutboxMessageContext>> LoadOutboxMessages() =>
        Task.FromResult(new List<OutboxMessageContext>());

    public override Task NotifyOutboxMessageDelivered(OutboxMessageContext message) => Task.CompletedTask;

    public override Task RemoveOutboxMessages() => Task.CompletedTask;
}
