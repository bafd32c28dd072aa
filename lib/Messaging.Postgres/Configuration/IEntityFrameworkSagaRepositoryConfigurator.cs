using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace MassTransit;

/// <summary>Options of a saga repository on Entity Framework Core.</summary>
public interface IEntityFrameworkSagaRepositoryConfigurator
{
    /// <summary>
    /// Pessimistic (the default): an instance is loaded with a row lock, and messages for it wait for each other.
    /// Optimistic: of two concurrent updates, the later one fails and has to be retried; map a row version.
    /// </summary>
    ConcurrencyMode ConcurrencyMode { set; }

    /// <summary>
    /// The isolation level of the repository's own transactions; an outbox has its own. Default:
    /// serializable with pessimistic concurrency, read committed with optimistic.
    /// </summary>
    IsolationLevel IsolationLevel { set; }

    /// <summary>
    /// Keeps inserted instances in memory for the next message, which then needs no query. Applies to units of work
    /// that commit with others (<see cref="IEntityFrameworkOutboxConfigurator.GroupCommits" />). If another process has
    /// changed the instance, or if the step fails or changes nothing, the message fails with a
    /// <see cref="DbUpdateConcurrencyException" />, and a retry loads the instance. Default: false.
    /// </summary>
    /// <remarks>
    /// Requirements:
    /// <list type="bullet">
    /// <item>The endpoint retries.</item>
    /// <item>The saga has optimistic concurrency and a mapped version.</item>
    /// <item>It has no related entities, no shadow properties and no custom query.</item>
    /// <item>Column types and triggers do not change stored values.</item>
    /// </list>
    /// </remarks>
    bool KeepRecentSagas { set; }

    /// <summary>The statements of pessimistic loads. Default: <see cref="PostgresLockStatementProvider" />.</summary>
    ILockStatementProvider LockStatementProvider { set; }

    /// <summary>Adds a DbContext to the container, and uses it.</summary>
    void AddDbContext<TContext, TImplementation>(
        Action<IServiceProvider, DbContextOptionsBuilder<TImplementation>>? optionsAction = null)
        where TContext : DbContext
        where TImplementation : DbContext, TContext;

    /// <summary>Uses the DbContexts that a function creates; each is disposed after its message.</summary>
    void DatabaseFactory(Func<DbContext> databaseFactory);

    /// <inheritdoc cref="DatabaseFactory(Func{DbContext})" />
    void DatabaseFactory(Func<IServiceProvider, Func<DbContext>> databaseFactory);

    /// <summary>Uses the scope's DbContext, which is required to commit with an outbox on that DbContext.</summary>
    void ExistingDbContext<TContext>() where TContext : DbContext;

    /// <summary>Sets optimistic concurrency.</summary>
    /// <param name="useTransaction">False: no transaction around load and save; SaveChanges has its own.</param>
    void SetOptimisticConcurrency(bool useTransaction = true);
}

/// <inheritdoc />
public interface IEntityFrameworkSagaRepositoryConfigurator<TSaga> : IEntityFrameworkSagaRepositoryConfigurator
    where TSaga : class, ISaga
{
    /// <summary>Changes the query that loads an instance, for example to include related entities.</summary>
    void CustomizeQuery(Func<IQueryable<TSaga>, IQueryable<TSaga>> queryCustomization);
}
