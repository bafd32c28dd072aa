using System.IO.Compression;
using Grpc.Net.Compression;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Service.Defaults;

/// <summary>Registers the common part of both APIs: gRPC with HTTP/JSON, reflection and health checks.</summary>
public static class ApiExtensions
{
    /// <summary>The tag of the health checks that decide whether a service is ready.</summary>
    internal const string Ready = "ready";

    /// <summary>The path of the health check that succeeds while the process runs.</summary>
    internal const string LivePath = "/health/live";

    /// <summary>The path of the health check that succeeds while the service is ready.</summary>
    internal const string ReadyPath = "/health/ready";

    /// <summary>
    /// A larger request is rejected, in bytes: several times what the largest valid one needs. A small message can
    /// stand for many objects.
    /// </summary>
    internal const int MaxRequestSize = 512 * 1024;

    /// <summary>A client can watch many orders on one connection, and still make other calls on it.</summary>
    const int MaxStreamsPerConnection = 1000;

    // A client that is gone without closing its connection is noticed, and its streams end, after both.
    static readonly TimeSpan KeepAlivePingDelay = TimeSpan.FromSeconds(30);
    static readonly TimeSpan KeepAlivePingTimeout = TimeSpan.FromSeconds(20);

    // A request that is slower closes its whole connection, with all other calls of that client. By default that takes
    // five seconds, which an overloaded client can need for the rest of a request.
    static readonly MinDataRate MinRequestRate = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(30));

    /// <summary>Adds gRPC with JSON transcoding, error details and reflection, and health checks.</summary>
    public static void AddApi<TDbContext>(this WebApplicationBuilder builder)
        where TDbContext : DbContext, IDataProtectionKeyContext
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.AddShutdown();
        builder.CheckAddresses();
        builder.AddTls();
        builder.Services.Insert(0, ServiceDescriptor // before ASP.NET's own, which rejects unknown hosts
            .Transient<IStartupFilter, OutermostMiddleware<UnknownHostFilter>>());
        builder.Services.Configure<HostFilteringOptions>(x => x.IncludeFailureMessage = false);
        builder.WebHost.UseSockets(o => o.CreateBoundListenSocket = ClientSockets.Listen);
        builder.WebHost.ConfigureKestrel(o =>
        {
            o.Limits.Http2.MaxStreamsPerConnection = MaxStreamsPerConnection;
            o.Limits.Http2.KeepAlivePingDelay = KeepAlivePingDelay;
            o.Limits.Http2.KeepAlivePingTimeout = KeepAlivePingTimeout;
            o.Limits.MinRequestBodyDataRate = MinRequestRate;
        });
        foreach (var category in GrpcErrorFilter.ReplacedLogs)
            builder.Logging.AddFilter(category, LogLevel.None);
        builder.Services.AddSingleton<ErrorInterceptor>(); // otherwise one for each call
        builder.Services.AddGrpc(o =>
        {
            o.Interceptors.Add<ErrorInterceptor>();
            o.MaxReceiveMessageSize = MaxRequestSize;
            o.CompressionProviders =
            [
                new LimitedCompression(new GzipCompressionProvider(CompressionLevel.Fastest), MaxRequestSize),
                new LimitedCompression(new DeflateCompressionProvider(CompressionLevel.Fastest), MaxRequestSize),
            ];
            // The endpoint for unknown services would match every path of two segments, such as DELETE /v1/orders.
            o.IgnoreUnknownServices = true;
        })
            .AddJsonTranscoding(o => o.TypeRegistry = JsonErrors.Types);
        builder.Services.AddPublicReflection();
        builder.AddPageTokens<TDbContext>();
        builder.Services.AddGrpcHealthChecks().AddCheck<DatabaseCheck>("database", tags: [Ready]);
    }

    /// <summary>Maps reflection, gRPC health, <c>/health/live</c> and <c>/health/ready</c>.</summary>
    public static void MapApi(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        app.Services.GetRequiredService<ShutdownLimit>().Start();
        app.UseMiddleware<GrpcErrorFilter>();
        app.UseMiddleware<JsonRouteFilter>();
        var access = app.Services.GetRequiredService<IOptions<CallerOptions>>().Value;
        if (access.Reflection != EndpointAccess.Off)
            app.MapGrpcReflectionService().Require(access.Reflection);
        if (access.Health == EndpointAccess.Off)
            return;
        app.MapGrpcHealthChecksService().Require(access.Health);
        app.MapHealthChecks(LivePath, new HealthCheckOptions { Predicate = _ => false }).Require(access.Health);
        app.MapHealthChecks(ReadyPath, new HealthCheckOptions { Predicate = x => x.Tags.Contains(Ready) })
            .Require(access.Health);
    }

    static void AddPageTokens<TDbContext>(this WebApplicationBuilder builder)
        where TDbContext : DbContext, IDataProtectionKeyContext
    {
        // If no key can be read, a call that needs one fails and logs that. The keys protect only page tokens, and
        // what browsers remember while an operator signs in, so they are not encrypted in the database.
        builder.Logging.AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.None);
        builder.Services.AddDataProtection().SetApplicationName(typeof(TDbContext).Name);
        builder.Services.AddOptions<KeyManagementOptions>().Configure<IServiceProvider, ILoggerFactory>(
            (options, services, logs) => options.XmlRepository = new ProtectionKeys<TDbContext>(services, logs));
        builder.Services.AddSingleton<PageTokens>();
    }
}
