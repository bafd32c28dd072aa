using Messaging.Postgres;
using Microsoft.AspNetCore.Builder;

namespace Orders;

/// <summary>Registers the watcher of orders, and the notifier of all watchers.</summary>
static class OrderWatcherExtensions
{
    /// <summary>
    /// Adds <see cref="OrderWatcher" /> and <see cref="OrderNotifier" />, and starts them with the service.
    /// </summary>
    public static void AddOrderWatcher(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<OrderWatcher>().AddHostedService(x => x.GetRequiredService<OrderWatcher>());
        builder.Services.AddSingleton<OrderNotifier>().AddHostedService(x => x.GetRequiredService<OrderNotifier>())
            .AddSingleton<ICommitObserver<OrderDbContext>>(x => x.GetRequiredService<OrderNotifier>());
    }
}
