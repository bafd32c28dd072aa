using Messaging.Postgres;
using Microsoft.AspNetCore.Builder;

namespace Orders;

/// <summary>Registers WatchOrder.</summary>
static class OrderWatcherExtensions
{
    /// <summary>
    /// Adds <see cref="OrderWatcher" /> and <see cref="OrderNotifier" />, which start with the service, and the
    /// streams, with their options <c>Watch</c>.
    /// </summary>
    public static void AddOrderWatcher(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<WatchOptions>().BindConfiguration("Watch")
            .ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<OrderWatcher>().AddHostedService(x => x.GetRequiredService<OrderWatcher>());
        builder.Services.AddSingleton<OrderNotifier>().AddHostedService(x => x.GetRequiredService<OrderNotifier>())
            .AddSingleton<ICommitObserver<OrderDbContext>>(x => x.GetRequiredService<OrderNotifier>());
        builder.Services.AddScoped<OrderStream>();
    }
}
