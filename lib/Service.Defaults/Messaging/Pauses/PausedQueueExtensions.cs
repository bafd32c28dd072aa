using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Service.Defaults;

/// <summary>Registers the pauses of queues.</summary>
public static class PausedQueueExtensions
{
    /// <summary>Adds the table <c>paused_queues</c> to the model.</summary>
    public static void AddPausedQueues(this ModelBuilder modelBuilder)
    {
        ArgumentNullException.ThrowIfNull(modelBuilder);
        modelBuilder.Entity<PausedQueue>(e => e.ToTable("paused_queues").HasKey(x => x.Name));
    }

    /// <summary>Adds what keeps the consumers of this process to the pauses in the database.</summary>
    internal static void AddQueuePauses<TDbContext>(this IServiceCollection services) where TDbContext : DbContext
    {
        services.AddSingleton<PauseWatcher<TDbContext>>()
            .AddHostedService(x => x.GetRequiredService<PauseWatcher<TDbContext>>());
        services.AddHealthChecks().AddCheck<PauseCheck>("paused-queues", tags: [ApiExtensions.Ready]);
    }
}
