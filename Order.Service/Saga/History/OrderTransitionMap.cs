using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Orders;

/// <summary>Maps <see cref="OrderTransition" />. New rows go near the end of the key: ids increase with time.</summary>
sealed class OrderTransitionMap : IEntityTypeConfiguration<OrderTransition>
{
    public void Configure(EntityTypeBuilder<OrderTransition> builder)
    {
        builder.ToTable("order_transitions");
        builder.HasKey(x => new { x.OrderId, x.Sequence });
        builder.Property(x => x.Sequence).UseIdentityByDefaultColumn();
        builder.Property(x => x.FromState).HasMaxLength(16);
        builder.Property(x => x.ToState).HasMaxLength(16);
        builder.Property(x => x.Event).HasMaxLength(32);
        builder.Property(x => x.Reason).HasMaxLength(20);
    }
}
