using Microsoft.AspNetCore.Builder;

namespace Orders;

/// <summary>Registers the watcher of orders.</summary>
static class OrderWatcherExtensions
{
    /// <summary>Adds <see cref="OrderWatcher" /> and starts it with the service.</summary>
    public static void AddOrderWatcher(this WebApplicationBuilder builder) =>
        builder.Services.AddSingleton<OrderWatcher>().AddHostedService(x => x.GetRequiredService<OrderWatcher>());
}
