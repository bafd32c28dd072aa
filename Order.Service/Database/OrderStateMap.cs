using System.Text.Json;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Service.Defaults;

namespace Orders;

/// <summary>Maps <see cref="OrderState" /> to the table <c>orders</c>.</summary>
sealed class OrderStateMap : SagaClassMap<OrderState>
{
    /// <summary>The primary key of an order.</summary>
    public const string OrderKey = "pk_orders";

    /// <summary>The unique index that a repeated CreateOrder violates; it then finds the first order.</summary>
    public const string RequestIdKey = "ix_orders_request_id";

    /// <summary>The SQL condition for an open order, which is the filter of the index <c>ix_orders_open</c>.</summary>
    public const string OpenFilter = "current_state in ('Initial', 'Reserving', 'Cancelling')";

    /// <summary>
    /// The SQL condition for an order that waits for an answer of Account, which is the filter of the index
    /// <c>ix_orders_resend</c>.
    /// </summary>
    public static readonly string AwaitingFilter = "resend_time is not null and current_state in "
        + $"({string.Join(", ", OrderStateMachine.Awaiting.Select(x => $"'{x.State}'"))})";

    protected override void Configure(EntityTypeBuilder<OrderState> entity, ModelBuilder model)
    {
        entity.ToTable("orders");
        entity.HasKey(x => x.CorrelationId).HasName(OrderKey);
        entity.Property(x => x.CorrelationId).HasColumnName("order_id");
        entity.Property(x => x.CurrentState).HasMaxLength(16);
        // The items of an order never change, so a snapshot of them needs no copy.
        entity.Property(x => x.Items).HasColumnType("jsonb").HasConversion(
            items => JsonSerializer.Serialize(items, JsonSerializerOptions.Default),
            json => JsonSerializer.Deserialize<List<OrderLine>>(json, JsonSerializerOptions.Default)!,
            new ValueComparer<IReadOnlyList<OrderLine>>(
                (a, b) => a!.SequenceEqual(b!), items => items.Count, items => items));
        entity.Property(x => x.Total).HasPrecision(19, 4);
        entity.Property(x => x.Currency).HasMaxLength(3).IsFixedLength();
        entity.Property(x => x.Reason).HasConversion(new NamedEnumConverter<OrderReason>()).HasMaxLength(20);
        entity.Property(x => x.LastEvent).HasMaxLength(32);
        entity.Property(x => x.Owner).HasMaxLength(Caller.MaxOwnerLength);
        entity.Property(x => x.PlacedBy).HasMaxLength(Caller.MaxOwnerLength);
        entity.Property(x => x.CancelledBy).HasMaxLength(Caller.MaxOwnerLength);
        entity.Property(x => x.Version).IsRowVersion();
        entity.HasIndex(x => x.RequestId).IsUnique().HasFilter("request_id is not null").HasDatabaseName(RequestIdKey);
        entity.HasIndex(x => x.CreateTime).HasFilter(OpenFilter).HasDatabaseName("ix_orders_open");
        entity.HasIndex(x => x.ResendTime).HasFilter(AwaitingFilter).HasDatabaseName("ix_orders_resend");
        // The filters of ListOrders: status, account, or both.
        entity.HasIndex(x => new { x.CurrentState, x.CorrelationId });
        entity.HasIndex(x => new { x.AccountId, x.CurrentState, x.CorrelationId });
        // The same for the orders that a caller may see: others can name its account, any number of times.
        entity.HasIndex(x => new { x.Owner, x.CurrentState, x.CorrelationId }).HasFilter("owner is not null");
        entity.HasIndex(x => new { x.AccountId, x.Owner, x.CurrentState, x.CorrelationId })
            .HasFilter("owner is not null");
    }
}
