using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Service.Defaults;

/// <summary>Encrypts the ports of a service whose addresses begin with https.</summary>
static class TlsExtensions
{
    /// <summary>Has the ports present the certificate of <see cref="TlsOptions" />.</summary>
    public static void AddTls(this WebApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddOptions<TlsOptions>().BindConfiguration("Tls");
        builder.Services.AddSingleton<ServerCertificate>().AddSingleton<IStartCheck, TlsCheck>();
        builder.WebHost.ConfigureKestrel(x => x.ConfigureHttpsDefaults(
            x.ApplicationServices.GetRequiredService<ServerCertificate>().Apply));
    }
}
