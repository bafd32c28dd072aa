using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Messaging.Postgres;

/// <summary>
/// Everything that commits together in a scope: the DbContext's changes, additional statements, and the messages that
/// were sent or published. Inside a consumer with an outbox, the end of the consumer commits the unit. Elsewhere
/// <see cref="CommitAsync" /> does, or the DbContext's SaveChanges if the unit has no additional statements.
/// </summary>
public interface IUnitOfWork<TDbContext> where TDbContext : DbContext
{
    /// <summary>
    /// Adds a statement that runs after SaveChanges, in the round trip of the COMMIT. It costs less than a tracked
    /// change, and has none of its concurrency checks; but it can divide by zero to say that a row is not as expected:
    /// the unit fails as on any other conflict then.
    /// </summary>
    /// <param name="statement">The statement.</param>
    /// <param name="isConstant">
    /// Whether the text of the statement never varies, so that it can be prepared. A group with a statement that varies
    /// is not prepared at all.
    /// </param>
    void Add(NpgsqlBatchCommand statement, bool isConstant = false);

    /// <summary>
    /// Runs a batch step, which decides the requests of all units that commit together, and commits this unit with that
    /// group. A unit can do this once. In a DbContext with an open transaction, the step runs there and decides this
    /// request alone. The group's locks are held until its last handler has completed, so handlers must not wait for
    /// anything slow after this call.
    /// </summary>
    /// <exception cref="GroupBrokenException">
    /// The group could not commit. Nothing is done: retry the message.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The handler kept the group's locks for too long, also when its message was retried alone.
    /// </exception>
    Task<TResult> DecideAsync<TRequest, TResult>(IBatchStep<TRequest, TResult> step, TRequest request,
        CancellationToken cancellationToken);

    /// <summary>
    /// Commits outside a consumer, and dispatches the messages. After a failure the unit is as it was, and can be
    /// committed again.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// The DbContext has a transaction, an ambient transaction is open, or a message is being consumed.
    /// </exception>
    /// <exception cref="DbUpdateException">SaveChanges failed; nothing is committed.</exception>
    /// <exception cref="PostgresException">A statement failed; nothing is committed.</exception>
    Task CommitAsync(CancellationToken cancellationToken);
}
