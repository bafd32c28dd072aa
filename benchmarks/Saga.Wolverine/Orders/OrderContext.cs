using Microsoft.EntityFrameworkCore;

namespace Saga.Wolverine;

/// <summary>The database of the role <c>order</c>.</summary>
public sealed class OrderContext(DbContextOptions<OrderContext> options) : DbContext(options)
{
    public const string Pending = "Pending";
    public const string Confirmed = "Confirmed";

    public const string Schema = """
        create table orders (
            order_id uuid primary key,
            account_id uuid not null,
            total numeric(19,4) not null,
            current_state text not null,
            create_time timestamptz not null,
            confirm_time timestamptz,
            capture_time timestamptz)
            with (fillfactor = 70);
        """;

    public DbSet<Order> Orders => Set<Order>();

    protected override void OnModelCreating(ModelBuilder modelBuilder) =>
        modelBuilder.Entity<Order>().Property(x => x.OrderId).ValueGeneratedNever();
}
