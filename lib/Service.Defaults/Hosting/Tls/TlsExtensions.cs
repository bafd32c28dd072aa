using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>Encrypts the ports of a service whose addresses begin with https.</summary>
static class TlsExtensions
{
    /// <summary>Has the ports present the certificate of <see cref="TlsOptions" />.</summary>
    public static void AddTls(this WebApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        var options = builder.Configuration.GetSection(TlsOptions.Section).Get<TlsOptions>() ?? new TlsOptions();
        builder.Services.AddSingleton(x => new ServerCertificate(options, new TlsFiles(options, TlsOptions.Section,
            x.GetRequiredService<TimeProvider>(), x.GetRequiredService<ILogger<TlsFiles>>())));
        builder.Services.AddSingleton<IStartCheck, TlsCheck>();
        builder.WebHost.ConfigureKestrel(x => x.ConfigureHttpsDefaults(
            x.ApplicationServices.GetRequiredService<ServerCertificate>().Apply));
    }
}
