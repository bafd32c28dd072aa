using MassTransit.EntityFrameworkCoreIntegration.Saga;
using MassTransit.Saga;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Makes saga repositories without a container, for example for a bus that is configured by hand. Each message has its
/// own DbContext and transaction.
/// </summary>
public static class EntityFrameworkSagaRepository<TSaga> where TSaga : class, ISaga
{
    /// <summary>
    /// Of two concurrent updates of an instance, the later one fails and has to be retried; map a row version.
    /// </summary>
    /// <param name="dbContextFactory">Creates the DbContexts.</param>
    /// <param name="queryCustomization">Changes the query that loads an instance.</param>
    /// <param name="isTransactionEnabled">False: no transaction around load and save.</param>
    public static ISagaRepository<TSaga> CreateOptimistic(ISagaDbContextFactory<TSaga> dbContextFactory,
        Func<IQueryable<TSaga>, IQueryable<TSaga>>? queryCustomization = null, bool isTransactionEnabled = true) =>
        Create(new SagaRepositoryOptions<TSaga>
        {
            Factory = dbContextFactory,
            IsPessimistic = false,
            UseTransaction = isTransactionEnabled,
            Customization = queryCustomization,
        });

    /// <inheritdoc
    ///     cref="CreateOptimistic(ISagaDbContextFactory{TSaga}, Func{IQueryable{TSaga}, IQueryable{TSaga}}?, bool)" />
    public static ISagaRepository<TSaga> CreateOptimistic(Func<DbContext> dbContextFactory,
        Func<IQueryable<TSaga>, IQueryable<TSaga>>? queryCustomization = null, bool isTransactionEnabled = true) =>
        CreateOptimistic(new DelegateSagaDbContextFactory<TSaga>(dbContextFactory), queryCustomization,
            isTransactionEnabled);

    /// <summary>An instance is loaded with a row lock, and messages for it wait for each other.</summary>
    /// <param name="dbContextFactory">Creates the DbContexts.</param>
    /// <param name="lockStatementProvider">
    /// The statements of the locks; null for <see cref="PostgresLockStatementProvider" />.
    /// </param>
    /// <param name="queryCustomization">Changes the query that loads an instance.</param>
    public static ISagaRepository<TSaga> CreatePessimistic(ISagaDbContextFactory<TSaga> dbContextFactory,
        ILockStatementProvider? lockStatementProvider = null,
        Func<IQueryable<TSaga>, IQueryable<TSaga>>? queryCustomization = null) =>
        Create(new SagaRepositoryOptions<TSaga>
        {
            Factory = dbContextFactory,
            LockStatements = lockStatementProvider ?? new PostgresLockStatementProvider(),
            Customization = queryCustomization,
        });

    /// <summary>An instance is loaded with a row lock, and messages for it wait for each other.</summary>
    /// <param name="dbContextFactory">Creates a DbContext for each message.</param>
    /// <param name="lockStatementProvider">
    /// The statements of the locks; null for <see cref="PostgresLockStatementProvider" />.
    /// </param>
    /// <param name="queryCustomization">Changes the query that loads an instance.</param>
    public static ISagaRepository<TSaga> CreatePessimistic(Func<DbContext> dbContextFactory,
        ILockStatementProvider? lockStatementProvider = null,
        Func<IQueryable<TSaga>, IQueryable<TSaga>>? queryCustomization = null) =>
        CreatePessimistic(new DelegateSagaDbContextFactory<TSaga>(dbContextFactory), lockStatementProvider,
            queryCustomization);

    static SagaRepository<TSaga> Create(SagaRepositoryOptions<TSaga> options)
    {
        ArgumentNullException.ThrowIfNull(options.Factory);
        var services = new ServiceCollection().BuildServiceProvider(); // this repository needs none
        var contexts = new SagaRepositoryContextFactory<TSaga>(options,
            new SagaConsumeContextFactory<DbContext, TSaga>(), new SagaLoader<TSaga>(options, services), services);
        return new SagaRepository<TSaga>(contexts, contexts, contexts);
    }
}
