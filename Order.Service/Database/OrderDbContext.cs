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

    /// <summary>The orders with the archived ones, to be read only.</summary>
    public IQueryable<OrderState> AllOrders => Orders.FromSql($"select * from all_orders").AsNoTracking();

    /// <summary>The transitions of the orders; the database writes them itself.</summary>
    public DbSet<OrderTransition> OrderTransitions => Set<OrderTransition>();

    /// <summary>The transitions with those of archived orders, to be read only.</summary>
    public IQueryable<OrderTransition> AllOrderTransitions =>
        OrderTransitions.FromSql($"select * from all_order_transitions").AsNoTracking();

    /// <summary>Reads an order that may be archived; null if it does not exist.</summary>
    public async Task<OrderState?> FindOrderAsync(Guid orderId, CancellationToken cancellationToken) =>
        await Orders.AsNoTracking().SingleOrDefaultAsync(x => x.CorrelationId == orderId, cancellationToken)
        ?? await AllOrders.SingleOrDefaultAsync(x => x.CorrelationId == orderId, cancellationToken);

    /// <summary>Reads an order that may be archived.</summary>
    /// <exception cref="Grpc.Core.RpcException">NOT_FOUND: it does not exist, or the caller may not see it.</exception>
    public async Task<OrderState> FindOrderAsync(Guid orderId, Caller caller, CancellationToken cancellationToken) =>
        await FindOrderAsync(orderId, cancellationToken) is { } order && caller.Sees(order.Owner)
            ? order : throw RpcErrors.NotFound("order", orderId);

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
