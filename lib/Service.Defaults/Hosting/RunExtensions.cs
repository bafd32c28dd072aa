using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>Runs a service that is built.</summary>
public static partial class RunExtensions
{
    /// <summary>
    /// Runs a service until it is stopped. If it cannot listen on one of its addresses, it ends, which is logged in one
    /// line and sets the exit code.
    /// </summary>
    public static async Task RunServiceAsync(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        await using (app)
        {
            try
            {
                await app.StartAsync();
            }
            catch (Exception e) when (IsWrongAddress(e))
            {
                app.LogCannotRun(e);
                return;
            }

            await app.WaitForShutdownAsync();
        }
    }

    /// <summary>Whether the server cannot listen: an address is not of this machine, is in use, or lacks.</summary>
    internal static bool IsWrongAddress(Exception error) => error is SocketException
        or IOException { InnerException: AddressInUseException or AggregateException }
        or InvalidOperationException { Source: "Microsoft.AspNetCore.Server.Kestrel.Core" };

    /// <summary>Logs why a service ends, and sets the exit code.</summary>
    internal static void LogCannotRun(this WebApplication app, Exception error)
    {
        var addresses = app.Configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(x => x["Url"]);
        LogCannotRun(app.Services.GetRequiredService<ILogger<WebApplication>>(), error is SocketException
            ? $"It cannot listen on one of {string.Join(", ", addresses)}: {error.Message}" : error.Message);
        Environment.ExitCode = 1;
    }

    [LoggerMessage(Level = LogLevel.Critical, Message = "The service cannot run and ends. {Reason}")]
    static partial void LogCannotRun(ILogger log, string reason);
}
