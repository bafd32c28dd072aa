using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Service.Defaults;

/// <summary>
/// Serves the ports of a service that waits for its database: <c>/health/live</c> is 200, so that no orchestrator ends
/// the service, <c>/health/ready</c> is 503, and every call of the API is UNAVAILABLE. The service opens its ports when
/// this server has closed them.
/// </summary>
/// <param name="service">The service that has not started yet.</param>
sealed class StartingServer(WebApplication service) : IAsyncDisposable
{
    /// <summary>A service that waits for less time opens its ports only once.</summary>
    public static readonly TimeSpan Delay = TimeSpan.FromSeconds(1);

    static readonly TimeSpan MaxStopTime = TimeSpan.FromSeconds(1);

    WebApplication? _server;
    CancellationTokenRegistration _sigterm;

    /// <summary>Opens the ports. From then on, SIGTERM stops the service that waits.</summary>
    public async Task StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrel(x =>
        {
            x.ConfigureHttpsDefaults(service.Services.GetRequiredService<ServerCertificate>().Apply);
            x.Configure(service.Configuration.GetSection("Kestrel"));
        });
        _server = builder.Build();
        _sigterm = _server.Lifetime.ApplicationStopping.Register(service.Lifetime.StopApplication);
        _server.Run(AnswerAsync);
        await _server.StartAsync();
    }

    static Task AnswerAsync(HttpContext context)
    {
        if (context.Request.Path == ApiExtensions.LivePath)
            return context.Response.WriteAsync("Healthy");
        if (context.Request.Path != ApiExtensions.ReadyPath)
            return RpcErrorResponse.WriteAsync(context, RpcErrors.Unavailable("SERVICE_STARTING",
                "the service is starting and waits for its database; the call had no effect"));
        context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        return context.Response.WriteAsync("Unhealthy");
    }

    /// <summary>Closes the ports.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_server == null)
            return;
        await _sigterm.DisposeAsync(); // this server's own stop is no SIGTERM
        using var limit = new CancellationTokenSource(MaxStopTime);
        await _server.StopAsync(limit.Token);
        await _server.DisposeAsync();
    }
}
