using System.Globalization;
using Docker.DotNet;
using Docker.DotNet.Models;
using DotNet.Testcontainers.Configurations;
using DotNet.Testcontainers.Containers;

namespace Saga.Servers;

/// <summary>
/// The operations that Testcontainers does not offer: to end a container by a signal and to restart it.
/// </summary>
static class ContainerEngine
{
    static readonly Lazy<DockerClient> Client =
        new(() => TestcontainersSettings.OS.DockerEndpointAuthConfig.GetDockerClientBuilder(Guid.Empty).Build());

    public static async Task KillAsync(IContainer container, Signal signal)
    {
        var parameters = new ContainerKillParameters { Signal = ((int)signal).ToString(CultureInfo.InvariantCulture) };
        await Client.Value.Containers.KillContainerAsync(container.Id, parameters);
        await Client.Value.Containers.WaitContainerAsync(container.Id);
    }

    public static Task StartAsync(IContainer container, CancellationToken cancellationToken) =>
        Client.Value.Containers.StartContainerAsync(container.Id, new ContainerStartParameters(), cancellationToken);
}
