using CliWrap;
using CliWrap.Buffered;
using Saga.Load;
using Saga.Services;

namespace Saga.Cli;

/// <summary>
/// Builds the services or a peer before a command runs them, because no tool references an executable.
/// </summary>
static class ServiceBuild
{
    /// <summary>Builds both services: faster than <see cref="PublishAsync" />, but they start more slowly.</summary>
    public static Task BuildAsync(bool skip, CancellationToken cancellationToken) =>
        RunAsync(ServicePrograms.BuildFile, "Build", skip, cancellationToken);

    /// <summary>Compiles both services ahead of time.</summary>
    public static Task PublishAsync(bool skip, CancellationToken cancellationToken) =>
        RunAsync(ServicePrograms.BuildFile, "Publish", skip, cancellationToken);

    /// <summary>Builds a peer.</summary>
    public static Task BuildAsync(Peer peer, bool skip, CancellationToken cancellationToken) =>
        RunAsync(peer.Project, "Build", skip, cancellationToken);

    static async Task RunAsync(string project, string target, bool skip, CancellationToken cancellationToken)
    {
        if (skip)
            return;
        var result = await CliWrap.Cli.Wrap("dotnet")
            .WithArguments(["msbuild", project, "-restore", $"-t:{target}",
            $"-p:Configuration={ServicePrograms.Configuration}", "-v:quiet", "-nologo", "-m"])
            .WithValidation(CommandResultValidation.None).ExecuteBufferedAsync(cancellationToken);
        if (result.ExitCode != 0)
            throw new InvalidOperationException(
                $"the build of {project} failed:\n{result.StandardOutput}{result.StandardError}");
    }
}
