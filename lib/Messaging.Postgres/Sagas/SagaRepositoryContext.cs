using System.Data;
using MassTransit;
using MassTransit.Context;
using MassTransit.Logging;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Sagas;

/// <summary>Loads and saves the instances of one saga in a DbContext while one message is handled.</summary>
sealed class SagaRepositoryContext<TSaga, TDbContext, TMessage>(
    TDbContext db,
    SagaRepositoryOptions<TSaga> options,
    SagaLoader<TSaga>? loader,
    ConsumeContext<TMessage> consume,
    ISagaConsumeContextFactory<TDbContext, TSaga> contexts)
    : ConsumeContextScope<TMessage>(consume, db), SagaRepositoryContext<TSaga, TMessage>
    where TSaga : class, ISaga
    where TDbContext : DbContext
    where TMessage : class
{
    readonly ConsumeContext<TMessage> _consume = consume;
    TSaga? _cached;

    public Task<SagaConsumeContext<TSaga, TMessage>> Add(TSaga instance) =>
        contexts.CreateSagaConsumeContext(db, _consume, instance, SagaConsumeContextMode.Add);

    /// <summary>
    /// Inserts an instance before it handles the message; null if the instance exists, and has to be loaded.
    /// </summary>
    public async Task<SagaConsumeContext<TSaga, TMessage>> Insert(TSaga instance)
    {
        var entry = db.Add(instance);
        var savepoints = db.Database.AutoSavepointsEnabled;
        try
        {
            db.Database.AutoSavepointsEnabled = true; // a key that exists must not abort the transaction
            await db.SaveChangesAsync(CancellationToken).ConfigureAwait(false);
            _consume.LogInsert<TSaga, TMessage>(instance.CorrelationId);
            return await contexts.CreateSagaConsumeContext(db, _consume, instance, SagaConsumeContextMode.Insert)
                .ConfigureAwait(false);
        }
        catch (DbUpdateException e)
        {
            entry.State = EntityState.Detached;
            _consume.LogInsertFault<TSaga, TMessage>(e, instance.CorrelationId);
            return null!; // tells MassTransit to load the instance
        }
        finally
        {
            db.Database.AutoSavepointsEnabled = savepoints;
        }
    }

    public async Task<SagaConsumeContext<TSaga, TMessage>> Load(Guid correlationId)
    {
        var instance = await LoadInstance(correlationId, CancellationToken).ConfigureAwait(false);
        return instance == null
            ? null! // tells MassTransit that the instance does not exist
            : await contexts.CreateSagaConsumeContext(db, _consume, instance, SagaConsumeContextMode.Load)
                .ConfigureAwait(false);
    }

    async Task<TSaga?> LoadInstance(Guid correlationId, CancellationToken cancellationToken)
    {
        // A lock lasts as long as its transaction, so a unit that could commit with others needs its own, at their
        // isolation level.
        if (options.IsPessimistic && db.Database.CurrentTransaction == null && options.UseTransaction)
            await db.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken)
                .ConfigureAwait(false);

        // In a unit that can commit with others, the load shares a query, unless the context tracks instances already.
        if (loader?.CanShareLoads(db) != true || options.IsPessimistic || db.Database.CurrentTransaction != null
            || db.ChangeTracker.Entries<TSaga>().Any())
            return await Query(correlationId, cancellationToken).ConfigureAwait(false);
        _cached = options.RecentSagas?.Remove(correlationId);
        var instance = _cached ?? await loader.Load(correlationId).WaitAsync(cancellationToken)
            .ConfigureAwait(false);
        if (instance != null)
            db.Attach(instance);
        return instance;
    }

    /// <summary>
    /// Runs a step. A cached instance may be stale, and the version check detects that only if the step changes the
    /// instance. So a step that fails on a cached instance, or does not change it, is retried on the stored instance.
    /// </summary>
    /// <exception cref="StaleSagaException">The message has to be retried.</exception>
    public async Task RunStep(Func<Task> step)
    {
        try
        {
            await step().ConfigureAwait(false);
        }
        catch (Exception e) when (_cached != null && !CancellationToken.IsCancellationRequested)
        {
            throw new StaleSagaException($"has failed ({e.Message})");
        }

        if (_cached != null && db.Entry(_cached).State is EntityState.Unchanged or EntityState.Detached)
            throw new StaleSagaException("has changed nothing");
    }

    Task<TSaga?> Query(Guid correlationId, CancellationToken cancellationToken) => options.IsPessimistic
        ? options.Customize(db.Set<TSaga>()
            .FromSqlRaw(options.LockStatements.GetRowLockStatement<TSaga>(db), correlationId))
            .AsTracking().SingleOrDefaultAsync(cancellationToken)
        : options.FindById(db, correlationId, cancellationToken);

    /// <summary>
    /// Loads every instance that matches the query; with pessimistic concurrency, locks each and checks it again.
    /// </summary>
    public async Task<IReadOnlyList<TSaga>> Find(ISagaQuery<TSaga> query, CancellationToken cancellationToken)
    {
        if (!options.IsPessimistic)
            return await options.Customize(db.Set<TSaga>()).AsTracking().Where(query.FilterExpression)
                .ToListAsync(cancellationToken).ConfigureAwait(false);

        var ids = await db.Set<TSaga>().Where(query.FilterExpression).OrderBy(x => x.CorrelationId)
            .Select(x => x.CorrelationId).ToListAsync(cancellationToken).ConfigureAwait(false);
        var stillMatches = query.FilterExpression.Compile();
        var found = new List<TSaga>(ids.Count);
        foreach (var id in ids)
            if (await LoadInstance(id, cancellationToken)
                .ConfigureAwait(false) is { } instance && stillMatches(instance))
                found.Add(instance);
        return found;
    }

    public Task Save(SagaConsumeContext<TSaga> context)
    {
        db.Add(context.Saga);
        return Task.CompletedTask;
    }

    public Task Update(SagaConsumeContext<TSaga> context) => Task.CompletedTask; // the DbContext tracks the instance

    public Task Delete(SagaConsumeContext<TSaga> context)
    {
        db.Remove(context.Saga);
        return Task.CompletedTask;
    }

    public Task Discard(SagaConsumeContext<TSaga> context) => Task.CompletedTask;

    public Task Undo(SagaConsumeContext<TSaga> context)
    {
        db.Entry(context.Saga).State = EntityState.Unchanged;
        return Task.CompletedTask;
    }

    public Task<SagaConsumeContext<TSaga, T>> CreateSagaConsumeContext<T>(ConsumeContext<T> consumeContext,
        TSaga instance, SagaConsumeContextMode mode) where T : class =>
        contexts.CreateSagaConsumeContext(db, consumeContext, instance, mode);
}
