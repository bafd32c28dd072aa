using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Service.Defaults;

/// <summary>Reads settings that decide what a service is built of, before there is a log.</summary>
static class SettingExtensions
{
    /// <summary>Reads a section of the configuration. If a value is wrong, the service ends at its start.</summary>
    /// <param name="builder">The service.</param>
    /// <param name="section">The section's name.</param>
    /// <param name="read">
    /// Reads it; throws <see cref="InvalidOperationException" /> or <see cref="FormatException" /> if it is wrong.
    /// </param>
    /// <param name="fallback">What a service that cannot start is built of.</param>
    public static T Read<T>(
        this WebApplicationBuilder builder, string section, Func<IConfigurationSection, T> read, T fallback)
    {
        try
        {
            return read(builder.Configuration.GetSection(section));
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException)
        {
            builder.Services.AddSingleton<IStartCheck>(new WrongSetting($"Section {section}: {e.Message}"));
            return fallback;
        }
    }

    /// <summary>Reads the address of a port.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static BindingAddress ParseAddress(string url) =>
        BindingAddress.Parse(url) is { Port: >= 0 and <= ushort.MaxValue } address ? address
            : throw new FormatException($"Invalid url: '{url}'");

    /// <summary>Ends a service at its start if an address of <c>Kestrel:Endpoints</c> is none.</summary>
    public static void CheckAddresses(this WebApplicationBuilder builder) => builder.Read("Kestrel",
        kestrel => kestrel.GetSection("Endpoints").GetChildren().Select(x => x["Url"]).OfType<string>()
            .Select(ParseAddress).ToList(), []);

    sealed class WrongSetting(string message) : IStartCheck
    {
        public Task RunAsync(CancellationToken cancellationToken) =>
            Task.FromException(new StartException(message));
    }
}
