using MassTransit.EntityFrameworkCoreIntegration;

namespace MassTransit;

/// <summary>Stores the sagas of job consumers.</summary>
public static class EntityFrameworkJobServiceConfigurationExtensions
{
    /// <summary>Sets the repositories of job types, jobs and attempts, with pessimistic concurrency.</summary>
    /// <param name="configurator">The job service.</param>
    /// <param name="contextFactory">Creates the DbContexts.</param>
    /// <param name="lockStatementProvider">
    /// The statements of the locks; null for <see cref="PostgresLockStatementProvider" />.
    /// </param>
    public static void UseEntityFrameworkCoreSagaRepository(this IJobServiceConfigurator configurator,
        Func<JobServiceSagaDbContext> contextFactory, ILockStatementProvider? lockStatementProvider = null)
    {
        ArgumentNullException.ThrowIfNull(configurator);
        configurator.Repository = Create<JobTypeSaga>();
        configurator.JobRepository = Create<JobSaga>();
        configurator.JobAttemptRepository = Create<JobAttemptSaga>();

        ISagaRepository<T> Create<T>() where T : class, ISaga =>
            EntityFrameworkSagaRepository<T>.CreatePessimistic(contextFactory, lockStatementProvider);
    }
}
