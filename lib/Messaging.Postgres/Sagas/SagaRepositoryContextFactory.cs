using System.Data;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Saga;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Database;
using Messaging.Postgres.Inbox;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Sagas;

/// <summary>What <see cref="IEntityFrameworkSagaRepositoryConfigurator" /> sets; its members say what they mean.</summary>
sealed class SagaRepositoryOptions<TSaga> where TSaga : class, ISaga
{
    public Func<IServiceProvider, DbContext> GetDbContext { get; set; } = null!;
    public bool OwnsDbContext { get; set; }

    /// <summary>Contexts to load for many on; null where the repository makes its own.</summary>
    public Func<IServiceProvider, IRecentContexts>? GetWarmContexts { get; set; }

    /// <summary>Null where every instance is loaded.</summary>
    public RecentSagas<TSaga>? RecentSagas { get; set; }

    public bool IsPessimistic { get; set; } = true;
    public bool UseTransaction { get; set; } = true;
    public IsolationLevel IsolationLevel { get; set; } = IsolationLevel.ReadCommitted;
    public ILockStatementProvider LockStatements { get; set; } = new PostgresLockStatementProvider();
    public Func<IQueryable<TSaga>, IQueryable<TSaga>>? Customization { get; set; }

    public IQueryable<TSaga> Customize(IQueryable<TSaga> query) => Customization?.Invoke(query) ?? query;

    /// <summary>Loads without a lock; compiled once where the query is known, for it is asked for each message.</summary>
    public Task<TSaga?> FindById(DbContext db, Guid correlationId, CancellationToken cancellationToken) => Customization == null
        ? _findById(db, correlationId, cancellationToken)
        : Customize(db.Set<TSaga>()).AsTracking().SingleOrDefaultAsync(x => x.CorrelationId == correlationId, cancellationToken);

    /// <summary>Loads many, untracked, without locks and without the customization.</summary>
    public async Task<Dictionary<Guid, TSaga>> FindByIds(DbContext db, Guid[] ids)
    {
        var found = new Dictionary<Guid, TSaga>(ids.Length);
        await foreach (var instance in _findByIds(db, ids).ConfigureAwait(false))
            found.Add(instance.CorrelationId, instance);
        return found;
    }

    readonly Func<DbContext, Guid[], IAsyncEnumerable<TSaga>> _findByIds = EF.CompileAsyncQuery(
        (DbContext db, Guid[] ids) => db.Set<TSaga>().AsNoTracking().TagWith(PreparedQueries.Tag).Where(x => ids.Contains(x.CorrelationId)));

    readonly Func<DbContext, Guid, CancellationToken, Task<TSaga?>> _findById = EF.CompileAsyncQuery(
        (DbContext db, Guid id, CancellationToken _) => db.Set<TSaga>().AsTracking().SingleOrDefault(x => x.CorrelationId == id));
}

/// <summary>
/// Runs a saga's step. Inside an outbox's unit of work on the same DbContext it only changes the context, which the
/// unit commits; elsewhere it opens, saves and commits a transaction of its own.
/// </summary>
sealed class SagaRepositoryContextFactory<TSaga>(
    SagaRepositoryOptions<TSaga> options,
    ISagaConsumeContextFactory<DbContext, TSaga> consumeContexts,
    SagaLoader<TSaga> loader,
    IServiceProvider provider)
    : ISagaRepositoryContextFactory<TSaga>, IQuerySagaRepositoryContextFactory<TSaga>, ILoadSagaRepositoryContextFactory<TSaga>
    where TSaga : class, ISaga
{
    public Task Send<T>(ConsumeContext<T> context, IPipe<SagaRepositoryContext<TSaga, T>> next) where T : class =>
        Run(context, next.Send);

    public Task SendQuery<T>(ConsumeContext<T> context, ISagaQuery<TSaga> query, IPipe<SagaRepositoryQueryContext<TSaga, T>> next)
        where T : class =>
        Run(context, async repository =>
        {
            var found = await repository.Find(query, context.CancellationToken).ConfigureAwait(false);
            await next.Send(new LoadedSagaRepositoryQueryContext<TSaga, T>(repository, found)).ConfigureAwait(false);
        });

    async Task Run<T>(ConsumeContext<T> context, Func<SagaRepositoryContext<TSaga, DbContext, T>, Task> step) where T : class
    {
        var db = options.GetDbContext(provider);
        try
        {
            var isInUnit = context.TryGetPayload<IOutboxConsumeContext>(out var unit) && ReferenceEquals(unit.DbContext, db);
            var repository = new SagaRepositoryContext<TSaga, DbContext, T>(db, options, isInUnit ? loader : null, context, consumeContexts);
            if (isInUnit)
                await repository.ConfirmKept(() => step(repository)).ConfigureAwait(false);
            else
                await db.Database.CreateExecutionStrategy().ExecuteAsync(() => InTransaction(db, context.CancellationToken,
                    async () =>
                    {
                        await step(repository).ConfigureAwait(false);
                        return await db.SaveChangesAsync(context.CancellationToken).ConfigureAwait(false);
                    })).ConfigureAwait(false);
        }
        finally
        {
            if (options.OwnsDbContext)
                await db.DisposeAsync().ConfigureAwait(false);
        }
    }

    async Task<T> InTransaction<T>(DbContext db, CancellationToken cancellationToken, Func<Task<T>> work)
    {
        db.ChangeTracker.Clear();
        if (!options.UseTransaction)
            return await work().ConfigureAwait(false);
        await using var transaction = await db.Database.BeginTransactionAsync(options.IsolationLevel, cancellationToken).ConfigureAwait(false);
        var result = await work().ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        return result;
    }

    public Task<T> Execute<T>(Func<LoadSagaRepositoryContext<TSaga>, Task<T>> asyncMethod, CancellationToken cancellationToken = default)
        where T : class => Read(asyncMethod, cancellationToken);

    public Task<T> Execute<T>(Func<QuerySagaRepositoryContext<TSaga>, Task<T>> asyncMethod, CancellationToken cancellationToken = default)
        where T : class => Read(asyncMethod, cancellationToken);

    async Task<T> Read<T>(Func<SagaReadContext<TSaga>, Task<T>> read, CancellationToken cancellationToken)
    {
        var db = options.GetDbContext(provider);
        try
        {
            return await read(new SagaReadContext<TSaga>(db, options, cancellationToken)).ConfigureAwait(false);
        }
        finally
        {
            if (options.OwnsDbContext)
                await db.DisposeAsync().ConfigureAwait(false);
        }
    }

    public void Probe(ProbeContext context) => context.Add("persistence", "entity-framework-postgres");
}
