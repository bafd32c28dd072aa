using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Maps the state of futures.</summary>
/// <param name="optimistic">Whether the repository has optimistic concurrency, which needs a row version.</param>
public class FutureStateMap(bool optimistic) : SagaClassMap<FutureState>
{
    /// <inheritdoc />
    protected override void Configure(EntityTypeBuilder<FutureState> entity, ModelBuilder model)
    {
        ArgumentNullException.ThrowIfNull(entity);
        entity.HasRowVersion(optimistic, x => x.RowVersion);
        entity.Ignore(x => x.Version); // for document databases
        entity.Property(x => x.Command).HasJsonConversion();
        entity.Property(x => x.Pending).HasJsonConversion();
        entity.Property(x => x.Results).HasJsonConversion();
        entity.Property(x => x.Faults).HasJsonConversion();
        entity.Property(x => x.Subscriptions).HasJsonConversion();
        entity.Property(x => x.Variables).HasJsonConversion();
    }
}
