using MassTransit;
using MassTransit.Context;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using MassTransit.Scheduling;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Database;
using Messaging.Postgres.Outbox;
using Messaging.Postgres.Scheduling;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Inbox;

/// <summary>What a payload says that a message is being consumed with an outbox, in the context's open transaction.</summary>
interface IOutboxConsumeContext
{
    DbContext DbContext { get; }
    void Unschedule(Guid tokenId);
}

/// <summary>
/// Consumes one message in its scope's unit of work: captures what the handler sends, publishes, schedules and
/// unschedules, and commits that with the handler's changes when the handler has returned.
/// </summary>
sealed class OutboxConsumeContext<TDbContext, TMessage> : OutboxConsumeContextProxy<TMessage>, IOutboxConsumeContext, IReceiveAttempt
    where TDbContext : DbContext
    where TMessage : class
{
    readonly DatabaseClock<TDbContext> _clock;
    readonly Committer<TDbContext> _committer;
    readonly OutboxSaveChangesInterceptor<TDbContext> _handOver;
    readonly Guid _messageId;
    readonly IPipe<OutboxConsumeContext<TMessage>> _next;
    readonly OutboxOptions<TDbContext> _options;
    readonly WarmUpContext<TDbContext>? _scene;
    readonly OutboxSender<TDbContext> _sender;
    readonly OutboxStore<TDbContext> _store;
    readonly UnitOfWork<TDbContext> _unit;

    public OutboxConsumeContext(ConsumeContext<TMessage> context, OutboxConsumeOptions consume, IServiceProvider provider,
        UnitOfWork<TDbContext> unit, Committer<TDbContext> committer, OutboxStore<TDbContext> store, OutboxSender<TDbContext> sender,
        OutboxOptions<TDbContext> options, DatabaseClock<TDbContext> clock, OutboxSaveChangesInterceptor<TDbContext> handOver, IPipe<OutboxConsumeContext<TMessage>> next, Guid messageId)
        : base(context, consume, provider)
    {
        (_unit, _committer, _store, _sender, _options, _clock, _handOver, _next, _messageId) =
            (unit, committer, store, sender, options, clock, handOver, next, messageId);
        unit.Consumed = new InboxState { MessageId = messageId, ConsumerId = consume.ConsumerId };
        context.TryGetPayload(out _scene);
        context.AddOrUpdatePayload<MessageSchedulerContext>(Scheduler, _ => Scheduler());
    }

    public bool IsCommitted { get; private set; }

    /// <summary>Nothing of it is committed or sent.</summary>
    public bool IsWarmUp => _scene != null;

    public bool IsRedelivered => ReceiveContext.Redelivered;
    public DbContext DbContext => _unit.DbContext;
    public override Guid? MessageId => _messageId;
    public override bool ContinueProcessing { get; set; }
    public override bool IsMessageConsumed => false;
    public override bool IsOutboxDelivered => false;
    public override int ReceiveCount => 1;
    public override long? LastSequenceNumber => null;

    ConsumeMessageSchedulerContext Scheduler() => new(this, consume => new MessageScheduler(
        new ConsumeScheduleMessageProvider(consume, this), consume.ReceiveContext.GetPayload<IBusTopology>()));

    public IReadOnlyList<OutboxMessage> Captured => [.. _unit.Messages.Where(x => !x.IsDelayed)];

    public void Unschedule(Guid tokenId) => _unit.Unschedule(tokenId);

    public override Task AddSend<T>(SendContext<T> context)
    {
        var message = OutboxMessage.Capture(context, _clock.UtcNow, _options.DeliveryLease);
        message.InboxMessageId = _messageId;
        message.InboxConsumerId = ConsumerId;
        _unit.Add(message);
        return Task.CompletedTask;
    }

    public Task<bool> IsConsumed() => _store.IsConsumed(_unit.DbContext, _messageId, ConsumerId, CancellationToken);

    public Task HandleAndCommit() => _unit.Groups ? HandleInGroup() : HandleInTransaction();

    async Task HandleInGroup()
    {
        _handOver.Enter(_unit.DbContext);
        try
        {
            await Handle().ConfigureAwait(false);
        }
        catch
        {
            _unit.Asked?.Abandon();
            throw;
        }
        finally
        {
            _handOver.Leave(_unit.DbContext);
            if (DbContext.Database.CurrentTransaction is { } opened)
                await opened.DisposeAsync().ConfigureAwait(false);
        }
    }

    Task HandleInTransaction()
    {
        var tries = 0;
        return DbContext.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
        {
            if (tries++ > 0)
                _unit.Clear(); // not before the first try: what outer filters did in the scope belongs to it
            await using var transaction = await DbContext.Database.BeginTransactionAsync(_options.IsolationLevel, CancellationToken)
                .ConfigureAwait(false);
            await Handle().ConfigureAwait(false);
        });
    }

    async Task Handle()
    {
        if (_scene != null)
            await _scene.Begin(_unit.DbContext, CancellationToken).ConfigureAwait(false);
        await _next.Send(this).ConfigureAwait(false); // the handler, then SetConsumed
    }

    public override async Task SetConsumed()
    {
        if (_scene != null)
        {
            await _scene.Refuse(_unit, () => _committer.Commit(_unit, CancellationToken)).ConfigureAwait(false);
            return;
        }

        await _committer.Commit(_unit, CancellationToken).ConfigureAwait(false);
        IsCommitted = true;
    }

    public async Task<bool> WasConsumed()
    {
        try
        {
            if (DbContext.Database.CurrentTransaction is { } transaction)
                await transaction.DisposeAsync().ConfigureAwait(false);
            DbContext.ChangeTracker.Clear();
            return await IsConsumed().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // The failure that led here is the one to report; the database that cannot be asked is its cause or its equal.
            LogContext.Debug?.Log(e, "The inbox could not be asked for message {MessageId}", _messageId);
            return false;
        }
    }

    public Task<List<OutboxMessage>> Left() => _store.LeftBy(_unit.DbContext, _messageId, ConsumerId, CancellationToken);

    public Task Send(IReadOnlyList<OutboxMessage> messages) => _sender.SendAll(messages, CancellationToken);

    public override Task SetDelivered() => Task.CompletedTask;

    public override Task<List<OutboxMessageContext>> LoadOutboxMessages() =>
        Task.FromResult(new List<OutboxMessageContext>());

    public override Task NotifyOutboxMessageDelivered(OutboxMessageContext message) => Task.CompletedTask;

    public override Task RemoveOutboxMessages() => Task.CompletedTask;
}
