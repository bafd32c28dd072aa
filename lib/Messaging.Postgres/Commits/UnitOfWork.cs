using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Messaging.Postgres;

/// <summary>
/// What commits together in a scope: the DbContext's changes, statements of the caller's own, and the messages that
/// were sent or published. Inside a consumer with an outbox the consumer's end commits it; elsewhere
/// <see cref="CommitAsync" /> does, or the DbContext's SaveChanges where there are no statements.
/// </summary>
public interface IUnitOfWork<TDbContext> where TDbContext : DbContext
{
    /// <summary>
    /// Adds a statement that runs after SaveChanges, in the round trip of the COMMIT: cheaper than a tracked change, and
    /// without its checks.
    /// </summary>
    void Add(NpgsqlBatchCommand statement);

    /// <summary>
    /// Asks a step that is taken once for all units that commit together; this one is then committed with that group.
    /// Once in a unit. In a DbContext with an open transaction the step is taken for this unit alone, there.
    /// The group's locks are held until the last handler of it has ended: what follows is to be quick.
    /// </summary>
    /// <exception cref="GroupBrokenException">The group could not commit; nothing is done, and it is to be tried again.</exception>
    Task<TResult> AskAsync<TRequest, TResult>(IBatchStep<TRequest, TResult> step, TRequest request, CancellationToken cancellationToken);

    /// <summary>Commits outside a consumer, and hands the messages to the relay. After a failure it can be called again.</summary>
    /// <exception cref="InvalidOperationException">There is a transaction already, the DbContext's or an ambient one; or a message is being consumed.</exception>
    /// <exception cref="DbUpdateException">SaveChanges failed; nothing is committed.</exception>
    /// <exception cref="PostgresException">A statement failed; nothing is committed.</exception>
    Task CommitAsync(CancellationToken cancellationToken);
}

sealed class UnitOfWork<TDbContext>(TDbContext db, Committer<TDbContext> committer, OutboxRelay<TDbContext> relay,
    OutboxOptions<TDbContext> options)
    : IUnitOfWork<TDbContext>, IDisposable
    where TDbContext : DbContext
{
    readonly List<OutboxMessage> _messages = [];
    readonly List<Guid> _unscheduled = [];
    readonly List<NpgsqlBatchCommand> _statements = [];

    public TDbContext DbContext => db;

    /// <summary>The message that is being consumed, or null.</summary>
    public InboxState? Consumed { get; set; }

    /// <summary>Whether it may commit with others: not in an isolation of its own, nor where the execution strategy repeats transactions.</summary>
    public bool Groups => options is { GroupCommits: true, IsolationLevel: IsolationLevel.ReadCommitted }
        && !db.Database.CreateExecutionStrategy().RetriesOnFailure;

    /// <summary>What this unit asked for, or null.</summary>
    public AskingMember<TDbContext>? Asked { get; set; }

    public IReadOnlyList<OutboxMessage> Messages => _messages;
    public IReadOnlyList<Guid> Unscheduled => _unscheduled;
    public IReadOnlyList<NpgsqlBatchCommand> Statements => _statements;

    public void Add(NpgsqlBatchCommand statement) => _statements.Add(statement);

    public void Add(OutboxMessage message)
    {
        lock (_messages)
            _messages.Add(message);
    }

    /// <summary>What was scheduled before in this unit is dropped from it; what is scheduled afterwards stays.</summary>
    public void Unschedule(Guid tokenId)
    {
        lock (_messages)
        {
            _messages.RemoveAll(x => x.TokenId == tokenId);
            _unscheduled.Add(tokenId);
        }
    }

    /// <summary>Drops everything, as if nothing had been done in the scope.</summary>
    public void Clear()
    {
        _messages.Clear();
        _unscheduled.Clear();
        _statements.Clear();
        Asked = null;
        db.ChangeTracker.Clear();
    }

    public Task<TResult> AskAsync<TRequest, TResult>(IBatchStep<TRequest, TResult> step, TRequest request, CancellationToken cancellationToken) =>
        committer.Ask(this, step, request, cancellationToken);

    public async Task CommitAsync(CancellationToken cancellationToken)
    {
        if (Consumed != null)
            throw new InvalidOperationException("A message is being consumed: the consumer's end commits its unit of work");
        if (db.Database.CurrentTransaction != null)
            throw new InvalidOperationException("The scope's DbContext has a transaction already: who opened it commits it");
        if (System.Transactions.Transaction.Current != null)
            throw new InvalidOperationException("An ambient transaction is open: the unit of work is a transaction of its own, and may share it with others");

        TakeMessages();
        try
        {
            if (Groups)
                await committer.Commit(this, cancellationToken).ConfigureAwait(false);
            else await db.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
            {
                await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
                await committer.Commit(this, cancellationToken).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
        catch
        {
            db.AddRange(_messages);
            _messages.Clear();
            Asked?.Abandon();
            Asked = null;
            throw;
        }

        relay.Post(_messages);
        _messages.Clear();
        _unscheduled.Clear();
        _statements.Clear();
        Asked = null;
    }

    /// <summary>They are written in the last batch instead of by SaveChanges, which is dearer.</summary>
    void TakeMessages()
    {
        var detects = db.ChangeTracker.AutoDetectChangesEnabled;
        db.ChangeTracker.AutoDetectChangesEnabled = false; // new rows are known without a look at all that is tracked
        foreach (var entry in db.ChangeTracker.Entries<OutboxMessage>().Where(x => x.State == EntityState.Added).ToList())
        {
            entry.State = EntityState.Detached;
            _messages.Add(entry.Entity);
        }

        db.ChangeTracker.AutoDetectChangesEnabled = detects;
    }

    /// <summary>A unit that was never committed does not keep its group waiting.</summary>
    public void Dispose() => Asked?.Abandon();
}
