using MassTransit;
using MassTransit.Context;
using MassTransit.Logging;
using MassTransit.Middleware;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Sagas;

/// <summary>The instances of one saga in a DbContext, for the handling of one message.</summary>
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
    TSaga? _kept;

    public Task<SagaConsumeContext<TSaga, TMessage>> Add(TSaga instance) =>
        contexts.CreateSagaConsumeContext(db, _consume, instance, SagaConsumeContextMode.Add);

    /// <summary>Inserts ahead of the handling; null if the instance is there already, to be loaded then.</summary>
    public async Task<SagaConsumeContext<TSaga, TMessage>> Insert(TSaga instance)
    {
        var entry = db.Add(instance);
        var savepoints = db.Database.AutoSavepointsEnabled;
        try
        {
            db.Database.AutoSavepointsEnabled = true; // a key that exists must not end the transaction
            await db.SaveChangesAsync(CancellationToken).ConfigureAwait(false);
            _consume.LogInsert<TSaga, TMessage>(instance.CorrelationId);
            return await contexts.CreateSagaConsumeContext(db, _consume, instance, SagaConsumeContextMode.Insert).ConfigureAwait(false);
        }
        catch (DbUpdateException e)
        {
            entry.State = EntityState.Detached;
            _consume.LogInsertFault<TSaga, TMessage>(e, instance.CorrelationId);
            return null!; // the seam's word for "load it"
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
            ? null! // the seam's word for "there is none"
            : await contexts.CreateSagaConsumeContext(db, _consume, instance, SagaConsumeContextMode.Load).ConfigureAwait(false);
    }

    async Task<TSaga?> LoadInstance(Guid correlationId, CancellationToken cancellationToken)
    {
        // A lock is held as long as its transaction: in a unit that would commit with others, it opens one.
        if (options.IsPessimistic && db.Database.CurrentTransaction == null && options.UseTransaction)
            await db.Database.BeginTransactionAsync(options.IsolationLevel, cancellationToken).ConfigureAwait(false);

        // In a unit that commits with others, it is loaded with others too; unless the context has it, or another of its kind.
        if (loader?.Fits(db) != true || options.IsPessimistic || db.Database.CurrentTransaction != null || db.ChangeTracker.Entries<TSaga>().Any())
            return await Query(correlationId, cancellationToken).ConfigureAwait(false);
        _kept = options.RecentSagas?.Take(correlationId);
        var instance = _kept ?? await loader.Load(correlationId).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (instance != null)
            db.Attach(instance);
        return instance;
    }

    /// <summary>
    /// Lets a step on an instance from memory stand if it changed the instance: that is saved only if the version is still the one that is
    /// stored. A step that failed, or left it as it was, may have done so because it saw what is past.
    /// </summary>
    /// <exception cref="UnconfirmedInstanceException">It is to be taken again.</exception>
    public async Task ConfirmKept(Func<Task> step)
    {
        try
        {
            await step().ConfigureAwait(false);
        }
        catch (Exception e) when (_kept != null && !CancellationToken.IsCancellationRequested)
        {
            throw new UnconfirmedInstanceException($"has failed: {e.Message}");
        }

        if (_kept != null && db.Entry(_kept).State is EntityState.Unchanged or EntityState.Detached)
            throw new UnconfirmedInstanceException("has changed nothing");
    }

    Task<TSaga?> Query(Guid correlationId, CancellationToken cancellationToken) => options.IsPessimistic
        ? options.Customize(db.Set<TSaga>().FromSqlRaw(options.LockStatements.GetRowLockStatement<TSaga>(db), correlationId))
            .AsTracking().SingleOrDefaultAsync(cancellationToken)
        : options.FindById(db, correlationId, cancellationToken);

    /// <summary>Loads every instance that meets the query, each locked and looked at again if locks are asked for.</summary>
    public async Task<IReadOnlyList<TSaga>> Find(ISagaQuery<TSaga> query, CancellationToken cancellationToken)
    {
        if (!options.IsPessimistic)
            return await options.Customize(db.Set<TSaga>()).AsTracking().Where(query.FilterExpression).ToListAsync(cancellationToken)
                .ConfigureAwait(false);

        var ids = await db.Set<TSaga>().Where(query.FilterExpression).OrderBy(x => x.CorrelationId).Select(x => x.CorrelationId)
            .ToListAsync(cancellationToken).ConfigureAwait(false);
        var stillMeets = query.FilterExpression.Compile();
        var found = new List<TSaga>(ids.Count);
        foreach (var id in ids)
            if (await LoadInstance(id, cancellationToken).ConfigureAwait(false) is { } instance && stillMeets(instance))
                found.Add(instance);
        return found;
    }

    public Task Save(SagaConsumeContext<TSaga> context)
    {
        db.Add(context.Saga);
        return Task.CompletedTask;
    }

    public Task Update(SagaConsumeContext<TSaga> context) => Task.CompletedTask; // tracked

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

    public Task<SagaConsumeContext<TSaga, T>> CreateSagaConsumeContext<T>(ConsumeContext<T> consumeContext, TSaga instance,
        SagaConsumeContextMode mode) where T : class =>
        contexts.CreateSagaConsumeContext(db, consumeContext, instance, mode);
}

/// <summary>Reads instances outside a message.</summary>
sealed class SagaReadContext<TSaga>(DbContext db, SagaRepositoryOptions<TSaga> options, CancellationToken cancellationToken)
    : BasePipeContext(cancellationToken), QuerySagaRepositoryContext<TSaga>, LoadSagaRepositoryContext<TSaga>
    where TSaga : class, ISaga
{
    public async Task<TSaga> Load(Guid correlationId) =>
        (await options.Customize(db.Set<TSaga>()).AsNoTracking()
            .SingleOrDefaultAsync(x => x.CorrelationId == correlationId, CancellationToken).ConfigureAwait(false))!;

    public async Task<SagaRepositoryQueryContext<TSaga>> Query(ISagaQuery<TSaga> query, CancellationToken cancellationToken) =>
        new DefaultSagaRepositoryQueryContext<TSaga>(this, await db.Set<TSaga>().AsNoTracking().Where(query.FilterExpression)
            .Select(x => x.CorrelationId).ToListAsync(cancellationToken).ConfigureAwait(false));
}
