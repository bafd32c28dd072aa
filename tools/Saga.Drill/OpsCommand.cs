using CliWrap;
using CliWrap.Buffered;
using Saga.Services;

namespace Saga.Drill;

/// <summary>Runs commands for operators, as a process of the program that operators use.</summary>
/// <param name="address">The address of Operations.Service.</param>
/// <param name="token">The token of the operator.</param>
/// <param name="caFile">The PEM file of the only authority to trust; null for those of the machine.</param>
sealed class OpsCommand(Uri address, string token, string? caFile = null)
{
    // This program is in artifacts/bin/PROGRAM/CONFIGURATION.
    static readonly string Program = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", "Saga.Cli",
        ServicePrograms.Configuration, "Saga.Cli.dll"));

    /// <summary>Runs <c>ops</c> with arguments.</summary>
    public async Task<(int Code, string Output, string Error)> RunAsync(IEnumerable<string> arguments,
        CancellationToken cancellationToken = default)
    {
        var result = await Cli.Wrap("dotnet").WithArguments([Program, "ops", .. arguments, "--address", $"{address}"])
            .WithEnvironmentVariables(x =>
            {
                x.Set(BearerCredentials.Variable, token);
                if (caFile != null)
                    x.Set("SSL_CERT_FILE", caFile);
            })
            .WithValidation(CommandResultValidation.None).ExecuteBufferedAsync(cancellationToken);
        return (result.ExitCode, result.StandardOutput, result.StandardError);
    }
}
