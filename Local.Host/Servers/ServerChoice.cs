namespace Local.Host.Servers;

/// <summary>Decides where the servers come from; the same for tests, Run and Load.</summary>
public static class ServerChoice
{
    /// <summary>
    /// Takes given servers if there are any, else starts the ones installed on this machine. <c>ORDERSAGA_SERVERS</c>
    /// (given or local) forces the choice.
    /// </summary>
    public static async Task<IServers> StartAsync(bool wellKnownPorts, CancellationToken cancellationToken = default)
    {
        var forced = Environment.GetEnvironmentVariable("ORDERSAGA_SERVERS");
        var given = forced is null or "" or "given" ? GivenServers.FromEnvironment() : null;
        return forced switch
        {
            "given" => given ?? throw new InvalidOperationException("ORDERSAGA_SERVERS is given: set ORDERSAGA_POSTGRES and ORDERSAGA_RABBITMQ"),
            "local" => await LocalServers.StartAsync(wellKnownPorts, cancellationToken),
            null or "" => given != null ? given : await LocalServers.StartAsync(wellKnownPorts, cancellationToken),
            _ => throw new InvalidOperationException($"ORDERSAGA_SERVERS is {forced}: it can be given or local"),
        };
    }
}
