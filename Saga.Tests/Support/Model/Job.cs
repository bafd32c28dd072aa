using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Saga.Tests.Support.Model;

/// <summary>The instance of a saga whose version is an ordinary property, so that it can be kept in memory.</summary>
public sealed class Job : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public int Count { get; set; }

    public uint Version { get; init; }
}

sealed class JobMap : SagaClassMap<Job>
{
    protected override void Configure(EntityTypeBuilder<Job> entity, ModelBuilder model) =>
        entity.Property(x => x.Version).IsRowVersion();
}
