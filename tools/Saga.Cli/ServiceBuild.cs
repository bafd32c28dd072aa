using CliWrap;
using CliWrap.Buffered;
using Saga.Services;

namespace Saga.Cli;

/// <summary>Builds the services before a command runs them: no tool references an executable.</summary>
static class ServiceBuild
{
    /// <summary>Builds both services, which starts them slowest and is done soonest.</summary>
    public static Task BuildAsync(bool skip, CancellationToken cancellationToken) => RunAsync("Build", skip, cancellationToken);

    /// <summary>Publishes both services, compiled ahead of time.</summary>
    public static Task PublishAsync(bool skip, CancellationToken cancellationToken) => RunAsync("Publish", skip, cancellationToken);

    static async Task RunAsync(string target, bool skip, CancellationToken cancellationToken)
    {
        if (skip)
            return;
        var done = await CliWrap.Cli.Wrap("dotnet").WithArguments(["msbuild", ServicePrograms.BuildFile, "-restore", $"-t:{target}",
            $"-p:Configuration={ServicePrograms.Configuration}", "-v:quiet", "-nologo", "-m"])
            .WithValidation(CommandResultValidation.None).ExecuteBufferedAsync(cancellationToken);
        if (done.ExitCode != 0)
            throw new InvalidOperationException($"the services could not be built:\n{done.StandardOutput}{done.StandardError}");
    }
}
