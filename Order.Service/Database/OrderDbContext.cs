using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Service.Defaults;

namespace Orders;

/// <summary>The database of Order: the orders, the inbox and the outbox.</summary>
public sealed class OrderDbContext(DbContextOptions<OrderDbContext> options)
    : SagaDbContext(options), IDataProtectionKeyContext
{
    /// <summary>The orders, which are the saga instances.</summary>
    public DbSet<OrderState> Orders => Set<OrderState>();

    /// <summary>The transitions of the orders; the database writes them itself.</summary>
    public DbSet<OrderTransition> OrderTransitions => Set<OrderTransition>();

    /// <summary>The keys of the page tokens.</summary>
    public DbSet<DataProtectionKey> DataProtectionKeys => Set<DataProtectionKey>();

    /// <inheritdoc />
    protected override IEnumerable<ISagaClassMap> Configurations => [new OrderStateMap()];

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.ApplyConfiguration(new OrderTransitionMap());
        modelBuilder.AddTransactionalOutboxEntities();
        modelBuilder.AddPausedQueues();
    }
}
