using MassTransit;
using MassTransit.Saga;
using Messaging.Postgres.Inbox;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Sagas;

/// <summary>
/// Runs a saga's step. In a unit of work of an outbox with the same DbContext, the step only changes the context, and
/// the unit commits it. Elsewhere the step has its own transaction.
/// </summary>
sealed class SagaRepositoryContextFactory<TSaga>(
    SagaRepositoryOptions<TSaga> options,
    ISagaConsumeContextFactory<DbContext, TSaga> consumeContexts,
    SagaLoader<TSaga> loader,
    IServiceProvider provider)
    : ISagaRepositoryContextFactory<TSaga>, IQuerySagaRepositoryContextFactory<TSaga>,
        ILoadSagaRepositoryContextFactory<TSaga>
    where TSaga : class, ISaga
{
    public Task Send<T>(ConsumeContext<T> context, IPipe<SagaRepositoryContext<TSaga, T>> next) where T : class =>
        Run(context, next.Send);

    public Task SendQuery<T>(ConsumeContext<T> context, ISagaQuery<TSaga> query,
        IPipe<SagaRepositoryQueryContext<TSaga, T>> next)
        where T : class =>
        Run(context, async repository =>
        {
            var found = await repository.Find(query, context.CancellationToken).ConfigureAwait(false);
            await next.Send(new LoadedSagaRepositoryQueryContext<TSaga, T>(repository, found)).ConfigureAwait(false);
        });

    async Task Run<T>(ConsumeContext<T> context, Func<SagaRepositoryContext<TSaga, DbContext, T>, Task> step)
        where T : class
    {
        var db = options.OpenDbContext(provider, context);
        try
        {
            var isInUnit = context.TryGetPayload<IOutboxConsumeContext>(out var unit)
                && ReferenceEquals(unit.DbContext, db);
            var repository = new SagaRepositoryContext<TSaga, DbContext, T>(
                db, options, isInUnit ? loader : null, context, consumeContexts);
            if (isInUnit)
                await repository.RunStep(() => step(repository)).ConfigureAwait(false);
            else
            {
                var attempts = 0;
                await db.Database.CreateExecutionStrategy()
                    .ExecuteAsync(() => InTransaction(db, context.CancellationToken, async () =>
                    {
                        if (attempts++ > 0)
                            // Only from the second attempt: keep changes that outer filters made before the first one.
                            db.ChangeTracker.Clear();
                        await step(repository).ConfigureAwait(false);
                        return await db.SaveChangesAsync(context.CancellationToken).ConfigureAwait(false);
                    })).ConfigureAwait(false);
            }
        }
        finally
        {
            await options.CloseDbContext(db).ConfigureAwait(false);
        }
    }

    async Task<T> InTransaction<T>(DbContext db, CancellationToken cancellationToken, Func<Task<T>> work)
    {
        if (!options.UseTransaction)
            return await work().ConfigureAwait(false);
        await using var transaction = await db.Database.BeginTransactionAsync(options.IsolationLevel, cancellationToken)
            .ConfigureAwait(false);
        var result = await work().ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        return result;
    }

    public Task<T> Execute<T>(Func<LoadSagaRepositoryContext<TSaga>, Task<T>> asyncMethod,
        CancellationToken cancellationToken = default)
        where T : class => Read(asyncMethod, cancellationToken);

    public Task<T> Execute<T>(Func<QuerySagaRepositoryContext<TSaga>, Task<T>> asyncMethod,
        CancellationToken cancellationToken = default)
        where T : class => Read(asyncMethod, cancellationToken);

    async Task<T> Read<T>(Func<SagaReadContext<TSaga>, Task<T>> read, CancellationToken cancellationToken)
    {
        var db = options.OpenDbContext(provider);
        try
        {
            return await read(new SagaReadContext<TSaga>(db, options, cancellationToken)).ConfigureAwait(false);
        }
        finally
        {
            await options.CloseDbContext(db).ConfigureAwait(false);
        }
    }

    public void Probe(ProbeContext context) => context.Add("persistence", "entity-framework-postgres");
}
