using MassTransit;
using MassTransit.Context;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using MassTransit.Scheduling;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Outbox;
using Messaging.Postgres.Scheduling;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Inbox;

/// <summary>The payload that marks a message as consumed with an outbox.</summary>
interface IOutboxConsumeContext
{
    DbContext DbContext { get; }

    /// <summary>Deletes scheduled messages when the consumed message is committed.</summary>
    void Unschedule(Guid tokenId);
}

/// <summary>
/// Consumes one message in its scope's unit of work: captures what the handler sends, publishes, schedules and
/// unschedules, and commits that with the handler's changes when the handler has completed.
/// </summary>
sealed class OutboxConsumeContext<TDbContext, TMessage>
    : OutboxConsumeContextProxy<TMessage>, IOutboxConsumeContext, IReceiveAttempt
    where TDbContext : DbContext
    where TMessage : class
{
    readonly Committer<TDbContext> _committer;
    readonly MessageDispatcher<TDbContext> _dispatcher;
    readonly HandlerTransactionInterceptor _handlerTransactions;
    readonly Guid _messageId;
    readonly IPipe<OutboxConsumeContext<TMessage>> _next;
    readonly OutboxOptions<TDbContext> _options;
    readonly OutboxStore<TDbContext> _store;
    readonly UnitOfWork<TDbContext> _unit;
    readonly WarmUpContext<TDbContext>? _warmUp;
    Func<Task>? _reportFault;

    public OutboxConsumeContext(ConsumeContext<TMessage> context, OutboxConsumeOptions consume,
        IServiceProvider provider, UnitOfWork<TDbContext> unit, Committer<TDbContext> committer,
        OutboxStore<TDbContext> store, MessageDispatcher<TDbContext> dispatcher, OutboxOptions<TDbContext> options,
        HandlerTransactionInterceptor handlerTransactions, IPipe<OutboxConsumeContext<TMessage>> next, Guid messageId)
        : base(context, consume, provider)
    {
        (_unit, _committer, _store, _dispatcher, _options) = (unit, committer, store, dispatcher, options);
        (_handlerTransactions, _next, _messageId) = (handlerTransactions, next, messageId);
        unit.Consumed = new InboxState { MessageId = messageId, ConsumerId = consume.ConsumerId };
        context.TryGetPayload(out _warmUp);
        context.AddOrUpdatePayload<MessageSchedulerContext>(Scheduler, _ => Scheduler());
    }

    public bool IsCommitted { get; private set; }

    /// <summary>Whether the message is one of a warm-up, of which nothing is committed or sent.</summary>
    public bool IsWarmUp => _warmUp != null;

    public bool IsRedelivered => ReceiveContext.Redelivered;
    public DbContext DbContext => _unit.DbContext;
    public override Guid? MessageId => _messageId;
    public override bool ContinueProcessing { get; set; }
    public override bool IsMessageConsumed => false;
    public override bool IsOutboxDelivered => false;
    public override int ReceiveCount => 1;
    public override long? LastSequenceNumber => null;

    public IReadOnlyList<OutboxMessage> Captured => [.. _unit.Messages.Where(x => !x.IsDelayed)];

    ConsumeMessageSchedulerContext Scheduler() => new(this, consume => new MessageScheduler(
        new ConsumeScheduleMessageProvider(consume, this), consume.ReceiveContext.GetPayload<IBusTopology>()));

    public void Unschedule(Guid tokenId) => _unit.Unschedule(tokenId);

    public override Task AddSend<T>(SendContext<T> context)
    {
        _unit.Capture(context);
        return Task.CompletedTask;
    }

    /// <summary>
    /// Keeps a failure until it is known whether the message is a duplicate, whose failure is none: nobody receives a
    /// Fault for it.
    /// </summary>
    public override Task NotifyFaulted<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType,
        Exception exception)
    {
        _reportFault ??= () => base.NotifyFaulted(context, duration, consumerType, exception);
        return Task.CompletedTask;
    }

    /// <summary>Reports the failure of a message that is no duplicate: to observers, and by a Fault.</summary>
    public Task ReportFault() => _reportFault?.Invoke() ?? Task.CompletedTask;

    public Task<bool> IsConsumed() => _store.IsConsumed(_unit.DbContext, _messageId, ConsumerId, CancellationToken);

    public Task HandleAndCommit() => _unit.CanGroup ? HandleWithoutTransaction() : HandleInTransaction();

    /// <summary>The unit commits with others, unless the handler changes the database itself.</summary>
    async Task HandleWithoutTransaction()
    {
        _handlerTransactions.Enter(_unit.DbContext);
        try
        {
            await Handle().ConfigureAwait(false);
        }
        catch
        {
            _unit.Abandon();
            throw;
        }
        finally
        {
            _handlerTransactions.Leave(_unit.DbContext);
            if (DbContext.Database.CurrentTransaction is { } opened)
                await opened.DisposeAsync().ConfigureAwait(false);
        }
    }

    Task HandleInTransaction()
    {
        var attempts = 0;
        return DbContext.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
        {
            if (attempts++ > 0)
                // Only from the second attempt: keep changes that outer filters made before the first one.
                _unit.Clear();
            await using var transaction = await DbContext.Database
                .BeginTransactionAsync(_options.IsolationLevel, CancellationToken)
                .ConfigureAwait(false);
            _handlerTransactions.Enter(_unit.DbContext);
            try
            {
                await Handle().ConfigureAwait(false);
            }
            finally
            {
                _handlerTransactions.Leave(_unit.DbContext);
            }
        });
    }

    async Task Handle()
    {
        if (_warmUp != null)
            await _warmUp.InsertSeed(_unit.DbContext, CancellationToken).ConfigureAwait(false);
        await _next.Send(this).ConfigureAwait(false); // the handler, then SetConsumed
    }

    public override async Task SetConsumed()
    {
        _handlerTransactions.Complete(_unit.DbContext);
        if (_warmUp != null)
        {
            await _warmUp.CommitAndRollBack(_unit, () => _committer.Commit(_unit, CancellationToken))
                .ConfigureAwait(false);
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
            // The caller reports the original failure. The inbox query probably failed for the same reason.
            LogContext.Debug?.Log(e, "The inbox could not be searched for message {MessageId}", _messageId);
            return false;
        }
    }

    public Task<List<OutboxMessage>> FindUnsent() =>
        _store.FindUnsent(_unit.DbContext, _messageId, ConsumerId, CancellationToken);

    public void ReleaseCaptured() => _dispatcher.Release(_unit.CopyMessages());

    public Task Send(IReadOnlyList<OutboxMessage> messages) => _dispatcher.Dispatch(messages, CancellationToken);

    public override Task SetDelivered() => Task.CompletedTask;

    public override Task<List<OutboxMessageContext>> LoadOutboxMessages() =>
        Task.FromResult(new List<OutboxMessageContext>());

    public override Task NotifyOutboxMessageDelivered(OutboxMessageContext message) => Task.CompletedTask;

    public override Task RemoveOutboxMessages() => Task.CompletedTask;
}
