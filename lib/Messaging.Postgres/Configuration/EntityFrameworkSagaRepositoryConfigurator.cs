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

/// <inheritdoc />
sealed class EntityFrameworkSagaRepositoryConfigurator<TSaga>
    : IEntityFrameworkSagaRepositoryConfigurator<TSaga>, ISpecification
    where TSaga : class, ISaga
{
    readonly SagaRepositoryOptions<TSaga> _options = new();
    Action<IServiceCollection>? _registerDbContext;
    Action<IServiceCollection>? _registerRecentContexts;

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
        _options.GetRecentContexts = provider => provider.GetRequiredService<RecentContexts<TContext>>();
        _registerRecentContexts = services => services.TryAddSingleton<RecentContexts<TContext>>();
    }

    public void AddDbContext<TContext, TImplementation>(
        Action<IServiceProvider, DbContextOptionsBuilder<TImplementation>>? optionsAction = null)
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
        _options.GetRecentContexts = null;
    }

    public IEnumerable<ValidationResult> Validate()
    {
        if (_options.GetDbContext == null)
            yield return this.Failure("DbContext",
                "must be specified with ExistingDbContext, AddDbContext or DatabaseFactory");
        if (_options is { RecentSagas: not null, IsPessimistic: true })
            yield return this.Failure("KeepRecentSagas", "requires optimistic concurrency: a lock needs a query");
    }

    public void Register(ISagaRepositoryRegistrationConfigurator<TSaga> configurator)
    {
        _registerDbContext?.Invoke(configurator);
        _registerRecentContexts?.Invoke(configurator);
        configurator.TryAddSingleton(FaultInjection.Clock);
        configurator.TryAddSingleton(_options);
        if (_options.RecentSagas is { } recentSagas)
            configurator.AddSingleton<IRecentSagas>(recentSagas);
        configurator.TryAddSingleton<SagaLoader<TSaga>>();
        configurator.RegisterLoadSagaRepository<TSaga, SagaRepositoryContextFactory<TSaga>>();
        configurator.RegisterQuerySagaRepository<TSaga, SagaRepositoryContextFactory<TSaga>>();
        configurator.RegisterSagaRepository<TSaga, DbContext, SagaConsumeContextFactory<DbContext, TSaga>,
            SagaRepositoryContextFactory<TSaga>>();
    }
}
