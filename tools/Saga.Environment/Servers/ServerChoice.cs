using DotNet.Testcontainers.Builders;

namespace Saga.Servers;

/// <summary>Decides where the servers come from; the same for tests, Run and Load.</summary>
public static class ServerChoice
{
    /// <summary>
    /// Takes given servers if there are any, else containers if Docker can be used, else the programs installed on this
    /// machine. <c>ORDERSAGA_SERVERS</c> (given, docker or local) forces the choice.
    /// </summary>
    /// <exception cref="InvalidOperationException">The forced choice is not to be had; the message says what is missing.</exception>
    public static async Task<IServers> StartAsync(bool wellKnownPorts, CancellationToken cancellationToken = default,
        bool waitForBroker = true)
    {
        switch (Environment.GetEnvironmentVariable("ORDERSAGA_SERVERS"))
        {
            case "given":
                return GivenServers.FromEnvironment()
                    ?? throw new InvalidOperationException("ORDERSAGA_SERVERS is given: set ORDERSAGA_POSTGRES and ORDERSAGA_RABBITMQ");
            case "docker":
                return await DockerServers.StartAsync(wellKnownPorts, cancellationToken);
            case "local":
                return await LocalServers.StartAsync(wellKnownPorts, waitForBroker, cancellationToken);
            case null or "":
                break;
            case var other:
                throw new InvalidOperationException($"ORDERSAGA_SERVERS is {other}: it can be given, docker or local");
        }

        if (GivenServers.FromEnvironment() is { } given)
            return given;
        try
        {
            return await DockerServers.StartAsync(wellKnownPorts, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // No engine is the usual case and needs no word; one that does not serve does.
            if (e is not DockerUnavailableException)
                Console.WriteLine($"Docker is there but was not used: {e.Message.ReplaceLineEndings(" ")}");
            return await LocalServers.StartAsync(wellKnownPorts, waitForBroker, cancellationToken);
        }
    }
}
