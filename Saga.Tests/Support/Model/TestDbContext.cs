using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace Saga.Tests.Support.Model;

/// <summary>
/// The DbContext of the messaging tests. It contains nothing of the services and is written as in MassTransit's
/// documentation.
/// </summary>
public sealed class TestDbContext(DbContextOptions<TestDbContext> options) : SagaDbContext(options)
{
    public DbSet<Effect> Effects => Set<Effect>();

    public DbSet<Tally> Tallies => Set<Tally>();

    protected override IEnumerable<ISagaClassMap> Configurations => [new TallyMap(), new JobMap()];

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.Entity<Effect>().Property<string>("Note");
        modelBuilder.Entity<NumberedEffect>().Property<string>("Note");
        modelBuilder.AddInboxStateEntity();
        modelBuilder.AddOutboxMessageEntity();
        modelBuilder.AddOutboxStateEntity();
    }
}
