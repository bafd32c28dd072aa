using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Service.Defaults;

/// <summary>Serves the methods for operators on a port of their own.</summary>
public static class OperationsExtensions
{
    /// <summary>Opens the port of <see cref="OperationsOptions.Url" />.</summary>
    /// <exception cref="InvalidOperationException">The address is not one that can be served.</exception>
    public static void AddOperations(this WebApplicationBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        // Without a port, too: the methods must not be found on any other.
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<MatcherPolicy, OperationsPort>());
        if (builder.Configuration.GetSection("Operations").Get<OperationsOptions>()?.Url is not { Length: > 0 } url)
            return;
        var address = BindingAddress.Parse(url);
        if (address.Port == 0)
            return;
        if (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
            throw Invalid(url);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            void Configure(ListenOptions listen)
            {
                listen.Protocols = HttpProtocols.Http2;
                if (address.Scheme == Uri.UriSchemeHttps)
                    listen.UseHttps();
                listen.Use(OperationsPort.Mark);
            }

            switch (address.Host)
            {
                case "localhost":
                    kestrel.ListenLocalhost(address.Port, Configure);
                    break;
                case "*" or "+":
                    kestrel.ListenAnyIP(address.Port, Configure);
                    break;
                case var host:
                    kestrel.Listen(IPAddress.TryParse(host, out var ip) ? ip : throw Invalid(url), address.Port,
                        Configure);
                    break;
            }
        });
    }

    /// <summary>
    /// Maps a gRPC service that is found only on the operations port, for callers with the scope
    /// <see cref="Scopes.Administer" />; methods that change something want <see cref="Scopes.Operate" />, too.
    /// </summary>
    public static void MapOperations<TService>(this WebApplication app) where TService : class
    {
        ArgumentNullException.ThrowIfNull(app);
        app.MapGrpcService<TService>().WithMetadata(OperationsPort.Endpoint).RequireAuthorization(Scopes.Administer);
    }

    static InvalidOperationException Invalid(string url) => new($"Operations:Url is {url}, but must be an address "
        + "such as http://127.0.0.1:5104, with an IP address, localhost or *");
}
