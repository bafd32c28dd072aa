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
    public static void AddOperations(this WebApplicationBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        // Without a port, too: the methods must not be found on any other.
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<MatcherPolicy, OperationsPort>());
        if (builder.Read("Operations", FindAddress, null) is not { } address)
            return;
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
                    kestrel.Listen(IPAddress.Parse(host), address.Port, Configure);
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

    static BindingAddress? FindAddress(IConfigurationSection operations)
    {
        if (operations.Get<OperationsOptions>()?.Url is not { Length: > 0 } url)
            return null;
        var address = SettingExtensions.ParseAddress(url);
        if (address.Port == 0)
            return null;
        if ((address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
            || (address.Host is not ("localhost" or "*" or "+") && !IPAddress.TryParse(address.Host, out _)))
            throw new InvalidOperationException($"Url is {url}, but must be an address such as http://127.0.0.1:5104, "
                + "with an IP address, localhost or *");
        return address;
    }
}
