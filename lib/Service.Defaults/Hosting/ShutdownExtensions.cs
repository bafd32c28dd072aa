using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Service.Defaults;

/// <summary>Registers the shutdown of a service.</summary>
static class ShutdownExtensions
{
    /// <summary>Adds the drain, the limit, and their options <c>Shutdown</c>.</summary>
    public static void AddShutdown(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<ShutdownOptions>().BindConfiguration("Shutdown")
            .ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddOptions<HostOptions>().Configure<IOptions<ShutdownOptions>>((host, shutdown) =>
            host.ShutdownTimeout = shutdown.Value.Delay + ShutdownLimit.StopTime);
        builder.Services.AddSingleton<ShutdownLimit>();
        builder.Services.AddSingleton<ServiceDrain>().AddHostedService(x => x.GetRequiredService<ServiceDrain>());
        builder.Services.AddHealthChecks().AddCheck<ServiceDrain>("shutdown", tags: [ApiExtensions.Ready]);
    }
}
