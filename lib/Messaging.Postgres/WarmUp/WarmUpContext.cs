using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Messaging.Postgres;

/// <summary>The payload that marks a message as one of a warm-up.</summary>
/// <param name="seed">Adds the entities that the handler needs, or null.</param>
sealed class WarmUpContext<TDbContext>(Action<TDbContext>? seed) : IWarmUp where TDbContext : DbContext
{
    /// <summary>Whether the handler has run up to its commit, and nothing is stored.</summary>
    public bool IsRolledBack { get; private set; }

    /// <summary>
    /// Inserts the entities that the handler needs, in the handler's transaction or in one that is rolled back when the
    /// handler ends.
    /// </summary>
    public async Task InsertSeed(TDbContext db, CancellationToken cancellationToken)
    {
        if (seed == null)
            return;
        if (db.Database.CurrentTransaction == null)
            await db.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        seed(db);
        await db.SaveChangesAsync(cancellationToken).ConfigureAwait(false);
        db.ChangeTracker.Clear();
    }

    /// <summary>Commits a unit with a last statement that fails, so that PostgreSQL rolls everything back.</summary>
    public async Task CommitAndRollBack(IUnitOfWork<TDbContext> unit, Func<Task> commit)
    {
        unit.Add(new NpgsqlBatchCommand($"""
            do $$ begin
                raise exception 'warm-up of a starting service: this transaction is rolled back as intended'
                    using errcode = '{PostgresErrors.WarmUpRollback}';
            end $$
            """));
        try
        {
            await commit().ConfigureAwait(false);
        }
        catch (PostgresException e) when (PostgresErrors.IsWarmUpRollback(e))
        {
            IsRolledBack = true;
            return;
        }

        throw new InvalidOperationException("A warm-up was committed");
    }
}
