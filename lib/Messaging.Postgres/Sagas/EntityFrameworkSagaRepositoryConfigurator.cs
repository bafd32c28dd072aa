using System.Data;
using MassTransit.Configuration;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Saga;
using Messaging.Postgres;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Database;
using Messaging.Postgres.Outbox;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace MassTransit;

/// <summary>Options of a saga repository on Entity Framework Core.</summary>
public interface IEntityFrameworkSagaRepositoryConfigurator
{
    /// <summary>
    /// Pessimistic (the default): an instance is loaded with a row lock, messages for it wait for each other.
    /// Optimistic: the loser of two finds the row changed and fails, to be retried; map a row version.
    /// </summary>
    ConcurrencyMode ConcurrencyMode { set; }

    /// <summary>Isolation of the repository's own transactions. Default: read committed. An outbox brings its own.</summary>
    IsolationLevel IsolationLevel { set; }

    /// <summary>
    /// The first message for an instance that this process has just inserted, in a unit of work that commits with others
    /// (<see cref="IEntityFrameworkOutboxConfigurator.GroupCommits" />), finds it in memory. If the instance was changed elsewhere meanwhile, or
    /// the step fails or changes nothing, that is a conflict (<see cref="DbUpdateConcurrencyException" />), and the instance is loaded at the
    /// next try: the endpoint must retry. Only with optimistic concurrency and a mapped version, for sagas without related entities, shadow
    /// properties or a query of their own, and where the database stores values as they are: it shortens none, and no trigger changes them.
    /// Default: false.
    /// </summary>
    bool KeepRecentSagas { set; }

    /// <summary>How a pessimistic load locks. Default: <see cref="PostgresLockStatementProvider" />.</summary>
    ILockStatementProvider LockStatementProvider { set; }

    /// <summary>Adds a DbContext to the container and uses it.</summary>
    void AddDbContext<TContext, TImplementation>(Action<IServiceProvider, DbContextOptionsBuilder<TImplementation>>? optionsAction = null)
        where TContext : DbContext
        where TImplementation : DbContext, TContext;

    /// <summary>Uses the DbContexts that a function makes; each is disposed after its message.</summary>
    void DatabaseFactory(Func<DbContext> databaseFactory);

    /// <inheritdoc cref="DatabaseFactory(Func{DbContext})" />
    void DatabaseFactory(Func<IServiceProvider, Func<DbContext>> databaseFactory);

    /// <summary>Uses the scope's DbContext; needed to commit with an outbox on the same one.</summary>
    void ExistingDbContext<TContext>() where TContext : DbContext;

    /// <summary>Sets optimistic concurrency.</summary>
    /// <param name="useTransaction">False: no transaction around load and save; SaveChanges' own suffices.</param>
    void SetOptimisticConcurrency(bool useTransaction = true);
}

/// <inheritdoc />
public interface IEntityFrameworkSagaRepositoryConfigurator<TSaga> : IEntityFrameworkSagaRepositoryConfigurator
    where TSaga : class, ISaga
{
    /// <summary>Changes the query that loads an instance, for example to include what it owns.</summary>
    void CustomizeQuery(Func<IQueryable<TSaga>, IQueryable<TSaga>> queryCustomization);
}

sealed class EntityFrameworkSagaRepositoryConfigurator<TSaga> : IEntityFrameworkSagaRepositoryConfigurator<TSaga>, ISpecification
    where TSaga : class, ISaga
{
    readonly SagaRepositoryOptions<TSaga> _options = new();
    Action<IServiceCollection>? _registerDbContext;
    Action<IServiceCollection>? _registerWarmContexts;

    public ConcurrencyMode ConcurrencyMode { set => _options.IsPessimistic = value == ConcurrencyMode.Pessimistic; }
    public IsolationLevel IsolationLevel { set => _options.IsolationLevel = value; }
    public bool KeepRecentSagas { set => _options.RecentSagas = value ? new(TimeProvider.System) : null; }
    public ILockStatementProvider LockStatementProvider { set => _options.LockStatements = value; }

    public void CustomizeQuery(Func<IQueryable<TSaga>, IQueryable<TSaga>> queryCustomization) =>
        _options.Customization = queryCustomization;

    public void SetOptimisticConcurrency(bool useTransaction = true)
    {
        _options.IsPessimistic = false;
        _options.UseTransaction = useTransaction;
    }

    public void ExistingDbContext<TContext>() where TContext : DbContext
    {
        _options.GetDbContext = provider => provider.GetRequiredService<TContext>();
        _options.GetWarmContexts = provider => provider.GetRequiredService<RecentContexts<TContext>>();
        _registerWarmContexts = services => services.TryAddSingleton<RecentContexts<TContext>>();
    }

    public void AddDbContext<TContext, TImplementation>(Action<IServiceProvider, DbContextOptionsBuilder<TImplementation>>? optionsAction = null)
        where TContext : DbContext
        where TImplementation : DbContext, TContext
    {
        ExistingDbContext<TContext>();
        _registerDbContext = services => services.AddDbContext<TContext, TImplementation>(
            (provider, options) => optionsAction?.Invoke(provider, (DbContextOptionsBuilder<TImplementation>)options));
    }

    public void DatabaseFactory(Func<DbContext> databaseFactory) => DatabaseFactory(_ => databaseFactory);

    public void DatabaseFactory(Func<IServiceProvider, Func<DbContext>> databaseFactory)
    {
        _options.GetDbContext = provider => databaseFactory(provider)();
        _options.OwnsDbContext = true;
        _options.GetWarmContexts = null;
    }

    public IEnumerable<ValidationResult> Validate()
    {
        if (_options.GetDbContext == null)
            yield return this.Failure("DbContext", "must be specified: ExistingDbContext, AddDbContext or DatabaseFactory");
        if (_options is { RecentSagas: not null, IsPessimistic: true })
            yield return this.Failure("KeepRecentSagas", "needs optimistic concurrency: a lock is taken by a query");
    }

    public void Register(ISagaRepositoryRegistrationConfigurator<TSaga> configurator)
    {
        _registerDbContext?.Invoke(configurator);
        _registerWarmContexts?.Invoke(configurator);
        configurator.TryAddSingleton(FaultInjection.Clock);
        configurator.TryAddSingleton(_options);
        if (_options.RecentSagas is { } newInstances)
            configurator.AddSingleton<IRecentSagas>(newInstances);
        configurator.TryAddSingleton<SagaLoader<TSaga>>();
        configurator.RegisterLoadSagaRepository<TSaga, SagaRepositoryContextFactory<TSaga>>();
        configurator.RegisterQuerySagaRepository<TSaga, SagaRepositoryContextFactory<TSaga>>();
        configurator.RegisterSagaRepository<TSaga, DbContext, SagaConsumeContextFactory<DbContext, TSaga>, SagaRepositoryContextFactory<TSaga>>();
    }
}
