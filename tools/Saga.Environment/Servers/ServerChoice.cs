using DotNet.Testcontainers.Builders;

namespace Saga.Servers;

/// <summary>Chooses the servers of tests and commands.</summary>
public static class ServerChoice
{
    /// <summary>
    /// Uses given servers if their addresses are set; otherwise containers if Docker is available; otherwise the
    /// programs installed on this machine. <c>ORDERSAGA_SERVERS</c> (given, docker or local) forces the choice.
    /// </summary>
    /// <param name="wellKnownPorts">Whether to prefer the default ports; otherwise any free ports are used.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    /// <param name="waitForBroker">Whether to wait for an installed broker; otherwise its start may still run.</param>
    /// <exception cref="InvalidOperationException">The servers are not available; the message says what is
    /// missing.</exception>
    public static async Task<IServers> StartAsync(bool wellKnownPorts, CancellationToken cancellationToken = default,
        bool waitForBroker = true)
    {
        switch (Environment.GetEnvironmentVariable("ORDERSAGA_SERVERS"))
        {
            case "given":
                return GivenServers.FromEnvironment()
                    ?? throw new InvalidOperationException(
                        "ORDERSAGA_SERVERS=given requires ORDERSAGA_POSTGRES and ORDERSAGA_RABBITMQ");
            case "docker":
                return await DockerServers.StartAsync(wellKnownPorts, cancellationToken);
            case "local":
                return await LocalServers.StartAsync(wellKnownPorts, waitForBroker, cancellationToken);
            case null or "":
                break;
            case var other:
                throw new InvalidOperationException(
                    $"ORDERSAGA_SERVERS={other} is not valid: use given, docker or local");
        }

        if (GivenServers.FromEnvironment() is { } given)
            return given;
        try
        {
            return await DockerServers.StartAsync(wellKnownPorts, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // A missing engine is common and not reported; an engine that fails is.
            if (e is not DockerUnavailableException)
                Console.WriteLine(
                    $"Docker failed, so the installed servers are used: {e.Message.ReplaceLineEndings(" ")}");
            return await LocalServers.StartAsync(wellKnownPorts, waitForBroker, cancellationToken);
        }
    }
}
