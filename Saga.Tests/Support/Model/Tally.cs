using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Saga.Tests.Support.Model;

/// <summary>The instance of a saga that counts messages.</summary>
public sealed class Tally : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public string Name { get; set; } = "";

    public int Count { get; set; }

    public Guid? ReminderToken { get; set; }
}

sealed class TallyMap : SagaClassMap<Tally>
{
    protected override void Configure(EntityTypeBuilder<Tally> entity, ModelBuilder model)
    {
        entity.Property(x => x.CurrentState).HasMaxLength(64);
        entity.Property<uint>("Version").IsRowVersion(); // a shadow property: only the DbContext knows its value
    }
}
