using MassTransit.Configuration;
using MassTransit.EntityFrameworkCoreIntegration;

namespace MassTransit;

/// <summary>Registers saga repositories, with the same calls as MassTransit's own Entity Framework package.</summary>
public static class EntityFrameworkSagaRepositoryRegistrationExtensions
{
    /// <summary>
    /// Stores the saga's instances in a table. On an endpoint with an outbox on the same DbContext, the outbox's commit
    /// saves the instance; elsewhere the repository has its own transaction.
    /// </summary>
    /// <exception cref="ConfigurationException">No DbContext was specified.</exception>
    public static ISagaRegistrationConfigurator<TSaga> EntityFrameworkRepository<TSaga>(
        this ISagaRegistrationConfigurator<TSaga> configurator,
            Action<IEntityFrameworkSagaRepositoryConfigurator<TSaga>> configure)
        where TSaga : class, ISaga
    {
        ArgumentNullException.ThrowIfNull(configurator);
        var repository = new EntityFrameworkSagaRepositoryConfigurator<TSaga>();
        configure?.Invoke(repository);
        repository.Validate().ThrowIfContainsFailure("The Entity Framework saga repository configuration is invalid:");
        return configurator.Repository(repository.Register);
    }

    /// <summary>Stores the sagas of job consumers: job types, jobs and attempts.</summary>
    public static IJobSagaRegistrationConfigurator EntityFrameworkRepository(
        this IJobSagaRegistrationConfigurator configurator,
        Action<IEntityFrameworkSagaRepositoryConfigurator> configure)
    {
        ArgumentNullException.ThrowIfNull(configurator);
        configurator.UseRepositoryRegistrationProvider(new Provider(configure));
        return configurator;
    }

    /// <summary>Sets the repository of all sagas that have no repository.</summary>
    public static void SetEntityFrameworkSagaRepositoryProvider(this IRegistrationConfigurator configurator,
        Action<IEntityFrameworkSagaRepositoryConfigurator> configure)
    {
        ArgumentNullException.ThrowIfNull(configurator);
        configurator.SetSagaRepositoryProvider(new Provider(configure));
    }

    /// <summary>Uses PostgreSQL, which is the only database that this library supports.</summary>
    public static IEntityFrameworkSagaRepositoryConfigurator<T> UsePostgres<T>(
        this IEntityFrameworkSagaRepositoryConfigurator<T> configurator)
        where T : class, ISaga => configurator;

    /// <summary>Uses PostgreSQL, with a schema for tables whose model has none.</summary>
    public static IEntityFrameworkSagaRepositoryConfigurator<T> UsePostgres<T>(
        this IEntityFrameworkSagaRepositoryConfigurator<T> configurator,
        string schemaName)
        where T : class, ISaga
    {
        ArgumentNullException.ThrowIfNull(configurator);
        configurator.LockStatementProvider = new PostgresLockStatementProvider(schemaName);
        return configurator;
    }

    /// <inheritdoc cref="UsePostgres{T}(IEntityFrameworkSagaRepositoryConfigurator{T})" />
    public static IEntityFrameworkSagaRepositoryConfigurator UsePostgres(
        this IEntityFrameworkSagaRepositoryConfigurator configurator) =>
        configurator;

    /// <inheritdoc cref="UsePostgres{T}(IEntityFrameworkSagaRepositoryConfigurator{T}, string)" />
    public static IEntityFrameworkSagaRepositoryConfigurator UsePostgres(
        this IEntityFrameworkSagaRepositoryConfigurator configurator,
        string schemaName)
    {
        ArgumentNullException.ThrowIfNull(configurator);
        configurator.LockStatementProvider = new PostgresLockStatementProvider(schemaName);
        return configurator;
    }

    sealed class Provider(Action<IEntityFrameworkSagaRepositoryConfigurator> configure)
        : ISagaRepositoryRegistrationProvider
    {
        public void Configure<TSaga>(ISagaRegistrationConfigurator<TSaga> configurator) where TSaga : class, ISaga =>
            configurator.EntityFrameworkRepository(r => configure?.Invoke(r));
    }
}
