using System.Diagnostics;
using Messaging.Postgres.Database;
using Messaging.Postgres.Observability;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Commits;

/// <summary>
/// Makes units of work durable, for RPCs and consumed messages alike: changes, statements, inbox row, messages and
/// schedule in one transaction.
/// </summary>
/// <remarks>
/// <para>How a unit is committed:</para>
/// <code>
/// the unit                                          is committed
/// ------------------------------------------------  --------------------------------------------------------------
/// its DbContext has a transaction, because the      alone, in that transaction, whose COMMIT travels with the last
/// handler saved, locked or began one                statements
/// only SaveChanges can write its changes            alone, in a transaction
/// it has run a batch step                           with the units that ran the same step: lock and load, decide all,
///                                                   resume the handlers, commit when the last has completed
/// any other, while no commit is in flight           at once, in one round trip that is the transaction
/// any other, while a commit is in flight            with all units that wait by then: at most 256, no row or message
///                                                   twice
/// </code>
/// </remarks>
sealed class Committer<TDbContext>(OutboxStore<TDbContext> store, BulkWriter<TDbContext> bulkWriter,
    GroupTransactions<TDbContext> transactions, OutboxOptions<TDbContext> options, ILogger<Committer<TDbContext>> log)
    where TDbContext : DbContext
{
    const int MaxQuarantineQueues = 8;

    readonly GroupCommitter _groups = new(
        transactions, TaskStarter.RunOnPool, TimeProvider.System, MaxQuarantineQueues, options.MessageTag, log);

    /// <summary>Commits a unit: with others if it can, otherwise alone in its DbContext's transaction.</summary>
    /// <exception cref="Exception">Nothing is committed, and the unit still has everything.</exception>
    public async Task Commit(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        unit.Enter(UnitOfWorkState.Committing);
        if (await TryJoin(unit, cancellationToken).ConfigureAwait(false) is { } member)
        {
            await member.Committed.ConfigureAwait(false);
            unit.DbContext.ChangeTracker.AcceptAllChanges();
        }
        else
        {
            await CommitAlone(unit, cancellationToken).ConfigureAwait(false);
        }

        unit.Enter(UnitOfWorkState.Committed);
    }

    /// <summary>Adds a unit to a group.</summary>
    /// <returns>Null if the unit has a transaction, or changes that only SaveChanges can write.</returns>
    async Task<UnitMember<TDbContext>?> TryJoin(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        if (unit.DbContext.Database.CurrentTransaction != null)
            return null;
        var member = unit.StepMember ?? new UnitMember<TDbContext>(unit);
        if (unit.DbContext.ChangeTracker.HasChanges())
        {
            var own = UnitMember<TDbContext>.FindChanges(unit.DbContext);
            if (!BulkWriter<TDbContext>.CanWriteFor(unit.DbContext) || !bulkWriter.Fits(unit.DbContext, own))
                return null;
            await unit.RaiseSaveEvents(cancellationToken).ConfigureAwait(false);
            member.SnapshotChanges(own);
            var begun = unit.DbContext.Database.CurrentTransaction;
            if (begun != null || !bulkWriter.Fits(unit.DbContext, member.Changed))
            {
                if (begun != null)
                    await begun.DisposeAsync().ConfigureAwait(false);
                member.DropChangesOfEvents();
                return null;
            }
        }

        if (member.Request is { } decided)
            decided.HandlerCompleted();
        else
            _groups.Enqueue(member);
        return member;
    }

    async Task CommitAlone(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        if (unit.StepMember != null)
            throw new InvalidOperationException("A unit of work that has run a batch step commits with its group: "
                + "after that, its handler cannot save, lock or begin a transaction, nor change entities that only "
                + "SaveChanges can write");
        var started = Stopwatch.GetTimestamp();
        await transactions.CommitAlone(unit, cancellationToken).ConfigureAwait(false);
        MessagingMetrics.CommitEnded(1, Stopwatch.GetElapsedTime(started), succeeded: true);
    }

    /// <summary>Runs a batch step for one unit, in its DbContext's open transaction.</summary>
    public async Task<TResult> DecideAlone<TRequest, TResult>(UnitOfWork<TDbContext> unit,
        IBatchStep<TRequest, TResult> step, TRequest request, CancellationToken cancellationToken)
    {
        await using var batch = OutboxStore<TDbContext>.NewBatch(unit.DbContext);
        step.Load(batch, [request]);
        await using var rows = await store.Run(batch, [], cancellationToken).ConfigureAwait(false);
        var decision = await step.Decide(rows, [request], cancellationToken).ConfigureAwait(false);
        if (decision.Results[0].Error is { } error)
            throw error;
        foreach (var statement in decision.Statements)
            unit.Add(statement, isConstant: true);
        return decision.Results[0].Value!;
    }

    /// <summary>Adds a unit whose handler waits for the decision of a batch step to a group.</summary>
    public void Enqueue(UnitMember<TDbContext> member) => _groups.Enqueue(member);
}
