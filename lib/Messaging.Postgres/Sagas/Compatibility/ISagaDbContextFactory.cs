using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Creates the DbContexts of a saga repository that is made without a container.</summary>
public interface ISagaDbContextFactory<out TSaga> where TSaga : class, ISaga
{
    /// <summary>Creates a DbContext for a read.</summary>
    DbContext Create();

    /// <summary>Creates or returns the DbContext in which a message is handled.</summary>
    DbContext CreateScoped<T>(ConsumeContext<T> context) where T : class;

    /// <summary>Ends the use of a DbContext; disposes it, unless it belongs to somebody else.</summary>
    ValueTask ReleaseAsync(DbContext dbContext);
}
