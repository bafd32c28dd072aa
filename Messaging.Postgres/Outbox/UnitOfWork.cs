using MassTransit.EntityFrameworkCoreIntegration;
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

    /// <summary>Commits outside a consumer, and hands the messages to the relay.</summary>
    /// <exception cref="InvalidOperationException">The scope's DbContext has a transaction already.</exception>
    /// <exception cref="DbUpdateException">SaveChanges failed; nothing is committed.</exception>
    /// <exception cref="PostgresException">A statement failed; nothing is committed.</exception>
    Task CommitAsync(CancellationToken cancellationToken);
}

sealed class UnitOfWork<TDbContext>(TDbContext db, OutboxStore<TDbContext> store, OutboxRelay<TDbContext> relay)
    : IUnitOfWork<TDbContext>
    where TDbContext : DbContext
{
    public List<NpgsqlBatchCommand> Statements { get; } = [];

    public void Add(NpgsqlBatchCommand statement) => Statements.Add(statement);

    public async Task CommitAsync(CancellationToken cancellationToken)
    {
        // Written in the last batch instead of by SaveChanges, which is dearer.
        var captured = new List<OutboxMessage>();
        foreach (var entry in db.ChangeTracker.Entries<OutboxMessage>().Where(x => x.State == EntityState.Added).ToList())
        {
            entry.State = EntityState.Detached;
            captured.Add(entry.Entity);
        }

        await db.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
        {
            await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
            db.Database.AutoSavepointsEnabled = false;
            await db.SaveChangesAsync(acceptAllChangesOnSuccess: false, cancellationToken).ConfigureAwait(false);
            await store.Commit(db, null, captured, [], Statements, cancellationToken).ConfigureAwait(false);
        }).ConfigureAwait(false);
        db.ChangeTracker.AcceptAllChanges();
        Statements.Clear();
        relay.Post(captured);
    }
}
