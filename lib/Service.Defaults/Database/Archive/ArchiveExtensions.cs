using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Service.Defaults;

/// <summary>Registers the archive of a service.</summary>
public static class ArchiveExtensions
{
    /// <summary>
    /// Archives what is finished, and adds the options <c>Archive</c>. The database must have the functions of
    /// archive_partitions.sql and a function <c>archive_finished</c>.
    /// </summary>
    public static void AddArchive(this WebApplicationBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddOptions<ArchiveOptions>().BindConfiguration("Archive")
            .ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddHostedService<Archiver>();
    }
}
