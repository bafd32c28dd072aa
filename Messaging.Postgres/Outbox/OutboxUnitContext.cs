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
/// The unit of work of one consumed message: captures what the handler sends, publishes, schedules and unschedules,
/// and commits that with the handler's changes when the handler has returned.
/// </summary>
sealed class OutboxUnitContext<TDbContext, TMessage> : OutboxConsumeContextProxy<TMessage>, IOutboxUnit
    where TDbContext : DbContext
    where TMessage : class
{
    readonly List<OutboxMessage> _captured = [];
    readonly DatabaseClock<TDbContext> _clock;
    readonly TDbContext _db;
    readonly TimeSpan _lease;
    readonly Guid _messageId;
    readonly OutboxStore<TDbContext> _store;
    readonly List<Guid> _unscheduled = [];
    readonly UnitOfWork<TDbContext> _unit;

    public OutboxUnitContext(ConsumeContext<TMessage> context, OutboxConsumeOptions options, IServiceProvider provider,
        TDbContext db, UnitOfWork<TDbContext> unit, OutboxStore<TDbContext> store, DatabaseClock<TDbContext> clock, TimeSpan lease, Guid messageId)
        : base(context, options, provider)
    {
        (_db, _unit, _store, _clock, _lease, _messageId) = (db, unit, store, clock, lease, messageId);

        // A scheduler that the bus was configured with keeps its place; without one, schedules are rows of this unit.
        if (!context.TryGetPayload<MessageSchedulerContext>(out _))
            context.AddOrUpdatePayload<MessageSchedulerContext>(Scheduler, _ => Scheduler());
    }

    public bool IsCommitted { get; private set; }
    public bool IsDuplicate { get; set; }
    public DbContext DbContext => _db;
    public override Guid? MessageId => _messageId;
    public override bool ContinueProcessing { get; set; }
    public override bool IsMessageConsumed => false;
    public override bool IsOutboxDelivered => false;
    public override int ReceiveCount => 1;
    public override long? LastSequenceNumber => null;

    ConsumeMessageSchedulerContext Scheduler() => new(this, consume => new MessageScheduler(
        new UnitScheduleMessageProvider(consume, this), consume.ReceiveContext.GetPayload<IBusTopology>()));

    public IReadOnlyList<OutboxMessage> ToSend(TimeSpan lease) => _captured.FindAll(x => !x.IsDelayed(lease));

    public void Reset()
    {
        _captured.Clear();
        _unscheduled.Clear();
        _unit.Statements.Clear();
        _db.ChangeTracker.Clear();
    }

    public void Unschedule(Guid tokenId)
    {
        lock (_captured)
            _unscheduled.Add(tokenId);
    }

    public override Task AddSend<T>(SendContext<T> context)
    {
        var message = OutboxMessage.Capture(context, _clock.UtcNow, _lease);
        message.InboxMessageId = _messageId;
        message.InboxConsumerId = ConsumerId;
        lock (_captured)
            _captured.Add(message);
        return Task.CompletedTask;
    }

    public override async Task SetConsumed()
    {
        // What was scheduled and unscheduled in one go was never scheduled.
        _captured.RemoveAll(x => x.TokenId is { } token && _unscheduled.Contains(token));
        try
        {
            _db.Database.AutoSavepointsEnabled = false; // the whole transaction is the savepoint
            await _db.SaveChangesAsync(CancellationToken).ConfigureAwait(false);
            var consumed = new InboxState { MessageId = _messageId, ConsumerId = ConsumerId };
            await _store.Commit(_db, consumed, _captured, _unscheduled, _unit.Statements, CancellationToken).ConfigureAwait(false);
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
            if (_db.Database.CurrentTransaction is { } transaction)
                await transaction.DisposeAsync().ConfigureAwait(false);
            _db.ChangeTracker.Clear();
            IsDuplicate = await _store.IsConsumed(_db, _messageId, ConsumerId, CancellationToken).ConfigureAwait(false);
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
