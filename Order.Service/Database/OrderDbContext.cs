using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace Orders;

/// <summary>Order's database: orders, and the messages they send and have seen.</summary>
public sealed class OrderDbContext(DbContextOptions<OrderDbContext> options) : SagaDbContext(options)
{
    /// <summary>The orders, which are the saga's instances.</summary>
    public DbSet<OrderState> Orders => Set<OrderState>();

    /// <inheritdoc />
    protected override IEnumerable<ISagaClassMap> Configurations => [new OrderStateMap()];

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.AddTransactionalOutboxEntities();
    }
}
