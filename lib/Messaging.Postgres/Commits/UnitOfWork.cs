using System.Data;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Database;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Messaging.Postgres.Commits;

/// <inheritdoc cref="IUnitOfWork{TDbContext}" />
sealed class UnitOfWork<TDbContext>(TDbContext db, Committer<TDbContext> committer,
    MessageDispatcher<TDbContext> dispatcher, DatabaseClock<TDbContext> clock, OutboxOptions<TDbContext> options,
    OutboxSaveChangesInterceptor<TDbContext> interceptor)
    : IUnitOfWork<TDbContext>, IDisposable
    where TDbContext : DbContext
{
    readonly List<OutboxMessage> _messages = [];
    readonly List<NpgsqlBatchCommand> _statements = [];
    readonly List<Guid> _unscheduled = [];
    UnitOfWorkState _state;

    public TDbContext DbContext => db;

    /// <summary>The message that is being consumed, or null.</summary>
    public InboxState? Consumed { get; set; }

    /// <summary>
    /// Whether the unit can commit with others. True with group commits, read committed isolation and no retrying
    /// execution strategy.
    /// </summary>
    public bool CanGroup => options is { GroupCommits: true, IsolationLevel: IsolationLevel.ReadCommitted }
        && !db.Database.CreateExecutionStrategy().RetriesOnFailure;

    /// <summary>The unit's place in the group of its batch step, or null if it has run none.</summary>
    public UnitMember<TDbContext>? StepMember { get; private set; }

    public IReadOnlyList<OutboxMessage> Messages => _messages;

    /// <summary>The messages, also while a send of a handler that has failed still runs.</summary>
    public IReadOnlyList<OutboxMessage> CopyMessages()
    {
        lock (_messages)
            return [.. _messages];
    }

    public IReadOnlyList<Guid> Unscheduled => _unscheduled;
    public IReadOnlyList<NpgsqlBatchCommand> Statements => _statements;

    /// <summary>Whether a statement must not be prepared, because its text varies.</summary>
    public bool HasVaryingStatements { get; private set; }

    /// <summary>Moves the unit to its next state.</summary>
    /// <exception cref="InvalidOperationException">The unit cannot be in that state now.</exception>
    public void Enter(UnitOfWorkState next)
    {
        var allowed = (_state, next) switch
        {
            (UnitOfWorkState.Open, UnitOfWorkState.Deciding or UnitOfWorkState.Committing) => true,
            (UnitOfWorkState.Deciding, UnitOfWorkState.Decided or UnitOfWorkState.Committing) => true,
            (UnitOfWorkState.Decided, UnitOfWorkState.Committing) => true,
            (UnitOfWorkState.Committing, UnitOfWorkState.Committed) => true,
            (_, UnitOfWorkState.Open) => true,
            _ => false,
        };
        if (!allowed)
            throw new InvalidOperationException((_state, next) switch
            {
                (_, UnitOfWorkState.Deciding) =>
                    "A unit of work runs one batch step: its group decides all requests at one time",
                _ => $"A unit of work that is {_state} cannot become {next}",
            });
        _state = next;
    }

    /// <summary>
    /// Captures a message that is sent or published. In a consumer the message belongs to the unit. Elsewhere it is a
    /// new row of the DbContext, so that the caller's SaveChanges writes it and the caller's Clear drops it.
    /// </summary>
    public void Capture<T>(SendContext<T> context) where T : class
    {
        // A process that does not deliver leaves the message to those that do.
        Guid? ownerId = Consumed != null || options.Deliver ? dispatcher.OwnerId : null;
        var message = OutboxMessage.Capture(context, clock.UtcNow, ownerId, options.MessageTag);
        lock (_messages)
            if (Consumed is { } consumed)
            {
                (message.InboxMessageId, message.InboxConsumerId) = (consumed.MessageId, consumed.ConsumerId);
                _messages.Add(message);
            }
            else
            {
                interceptor.Observe(db);
                db.Entry(message).State = EntityState.Added; // DbContext.Add would search for related entities
            }
    }

    /// <inheritdoc cref="OutboxSaveChangesInterceptor{TDbContext}.RaiseEventsAsync" />
    public Task RaiseSaveEvents(CancellationToken cancellationToken) =>
        interceptor.RaiseEventsAsync(db, cancellationToken);

    public void Add(NpgsqlBatchCommand statement, bool isConstant = false)
    {
        _statements.Add(statement);
        HasVaryingStatements |= !isConstant;
    }

    /// <summary>
    /// Removes this unit's scheduled messages with the token. Messages of earlier units are deleted by the commit.
    /// </summary>
    public void Unschedule(Guid tokenId)
    {
        lock (_messages)
        {
            _messages.RemoveAll(x => x.TokenId == tokenId);
            _unscheduled.Add(tokenId);
        }
    }

    public async Task<TResult> DecideAsync<TRequest, TResult>(IBatchStep<TRequest, TResult> step, TRequest request,
        CancellationToken cancellationToken)
    {
        if (db.Database.CurrentTransaction != null)
            return await committer.DecideAlone(this, step, request, cancellationToken).ConfigureAwait(false);
        var stepRequest = new BatchStepRequest<TRequest, TResult>(step, request);
        Enter(UnitOfWorkState.Deciding);
        StepMember = new UnitMember<TDbContext>(this, stepRequest);
        committer.Enqueue(StepMember);
        var result = await stepRequest.Decision.ConfigureAwait(false);
        Enter(UnitOfWorkState.Decided);
        return result;
    }

    public async Task CommitAsync(CancellationToken cancellationToken)
    {
        if (Consumed != null)
            throw new InvalidOperationException(
                "A message is being consumed: the end of the consumer commits its unit of work");
        if (db.Database.CurrentTransaction != null)
            throw new InvalidOperationException(
                "The scope's DbContext has a transaction: commit that transaction instead");
        if (System.Transactions.Transaction.Current != null)
            throw new InvalidOperationException(
                "An ambient transaction is open, but the unit of work has its own, which it may share with others");

        DetachTrackedMessages();
        try
        {
            if (CanGroup)
                await committer.Commit(this, cancellationToken).ConfigureAwait(false);
            else await db.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
            {
                await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken)
                    .ConfigureAwait(false);
                await committer.Commit(this, cancellationToken).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
        catch
        {
            dispatcher.Release(_messages);
            db.AddRange(_messages);
            _messages.Clear();
            Abandon();
            throw;
        }

        dispatcher.Post(_messages);
        Reset();
    }

    /// <summary>Drops everything, as if nothing had been done in the scope.</summary>
    public void Clear()
    {
        db.ChangeTracker.Clear();
        Reset();
    }

    void Reset()
    {
        _messages.Clear();
        _unscheduled.Clear();
        _statements.Clear();
        HasVaryingStatements = false;
        Abandon();
    }

    /// <summary>Leaves the group, so that the group does not wait for a failed handler.</summary>
    public void Abandon()
    {
        StepMember?.Request!.HandlerFailed();
        StepMember = null;
        Enter(UnitOfWorkState.Open);
    }

    /// <summary>A unit that is never committed must not keep its group stepRequest.</summary>
    public void Dispose() => Abandon();

    /// <summary>Moves new rows from the DbContext to the commit's batch, which costs less than SaveChanges.</summary>
    void DetachTrackedMessages()
    {
        var detects = db.ChangeTracker.AutoDetectChangesEnabled;
        db.ChangeTracker.AutoDetectChangesEnabled = false; // new rows are found without scanning all tracked entities
        foreach (var entry in db.ChangeTracker.Entries<OutboxMessage>().Where(x => x.State == EntityState.Added)
            .ToList())
        {
            entry.State = EntityState.Detached;
            _messages.Add(entry.Entity);
        }

        db.ChangeTracker.AutoDetectChangesEnabled = detects;
    }
}
