using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration.Saga;

/// <summary>Creates a DbContext for each use by a function, and disposes it after the use.</summary>
public class DelegateSagaDbContextFactory<TSaga>(Func<DbContext> dbContextFactory) : ISagaDbContextFactory<TSaga>
    where TSaga : class, ISaga
{
    /// <inheritdoc />
    public DbContext Create() => dbContextFactory();

    /// <inheritdoc />
    public DbContext CreateScoped<T>(ConsumeContext<T> context) where T : class => dbContextFactory();

    /// <inheritdoc />
    public ValueTask ReleaseAsync(DbContext dbContext)
    {
        ArgumentNullException.ThrowIfNull(dbContext);
        return dbContext.DisposeAsync();
    }
}
