using System.Globalization;
using Docker.DotNet;
using Docker.DotNet.Models;
using DotNet.Testcontainers.Configurations;
using DotNet.Testcontainers.Containers;
using Npgsql;
using Testcontainers.PostgreSql;
using Testcontainers.RabbitMq;

namespace Saga.Servers;

/// <summary>Servers in containers, by Testcontainers; published on 127.0.0.1 alone.</summary>
public sealed class DockerServers : IServers
{
    /// <summary>The images.</summary>
    public const string PostgresImage = "postgres:17", RabbitImage = "rabbitmq:4-management";

    const string Password = "local";

    readonly ContainerPostgres _postgres;
    readonly ContainerRabbit _rabbit;

    DockerServers(ContainerPostgres postgres, ContainerRabbit rabbit) => (_postgres, _rabbit) = (postgres, rabbit);

    /// <inheritdoc />
    public string Description => $"Docker, {PostgresImage} and {RabbitImage}";

    /// <inheritdoc />
    public PostgresServer Postgres => _postgres;

    /// <inheritdoc />
    public RabbitServer Rabbit => _rabbit;

    /// <inheritdoc />
    public InstanceFolder Folder { get; } = InstanceFolder.Create();

    /// <summary>Starts both, side by side.</summary>
    /// <param name="wellKnownPorts">Prefers the ports that are expected of them; any free ones otherwise.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<DockerServers> StartAsync(bool wellKnownPorts, CancellationToken cancellationToken)
    {
        // Fixed ports: a container that is started again keeps them.
        var ports = new[] { 5432, 5672, 15672 }.Select(x => Ports.Pick(wellKnownPorts ? x : 0)).ToArray();
        // Testcontainers makes PostgreSQL forget what it committed in a crash; here that is not to be given away for speed.
        var postgres = new PostgreSqlBuilder(PostgresImage).WithPassword(Password)
            .WithCommand("-c", "fsync=on", "-c", "full_page_writes=on", "-c", "synchronous_commit=on")
            .WithCommand([.. PostgresServer.Settings])
            .WithPortBinding(ports[0], 5432).WithCreateParameterModifier(OnlyHere).Build();
        var rabbit = new RabbitMqBuilder(RabbitImage).WithUsername("local").WithPassword(Password)
            .WithResourceMapping("[rabbitmq_management,rabbitmq_shovel_management].\n"u8.ToArray(), "/etc/rabbitmq/enabled_plugins")
            .WithPortBinding(ports[1], 5672).WithPortBinding(ports[2], 15672).WithCreateParameterModifier(OnlyHere).Build();
        try
        {
            await Task.WhenAll(postgres.StartAsync(cancellationToken), rabbit.StartAsync(cancellationToken));
            return new DockerServers(new ContainerPostgres(postgres, ports[0], Password), new ContainerRabbit(rabbit, ports[1], ports[2], Password));
        }
        catch
        {
            await Task.WhenAll(postgres.DisposeAsync().AsTask(), rabbit.DisposeAsync().AsTask());
            throw;
        }
    }

    static void OnlyHere(CreateContainerParameters container)
    {
        foreach (var binding in container.HostConfig?.PortBindings?.Values.SelectMany(x => x) ?? [])
            binding.HostIP = "127.0.0.1";
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_postgres.DisposeAsync().AsTask(), _rabbit.DisposeAsync().AsTask());
        Folder.Dispose();
    }
}

/// <summary>PostgreSQL in a container.</summary>
sealed class ContainerPostgres(PostgreSqlContainer container, int port, string password)
    : PostgresServer(container.Hostname, port, PostgreSqlBuilder.DefaultUsername, password), IStoppable, IAsyncDisposable
{
    public Task StopAsync(Signal signal) => Engine.KillAsync(container, signal);

    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        await Engine.StartAsync(container, cancellationToken);
        await Wait.UntilAsync(() => IsUpAsync(cancellationToken), TimeSpan.FromSeconds(60), () => $"PostgreSQL at {Address}", cancellationToken);
    }

    public Task PauseAsync() => container.PauseAsync();

    public Task ContinueAsync() => container.UnpauseAsync();

    public ValueTask DisposeAsync() => container.DisposeAsync();
}

/// <summary>RabbitMQ in a container.</summary>
sealed class ContainerRabbit(RabbitMqContainer container, int port, int managementPort, string password)
    : RabbitServer(new Uri($"amqp://local:{password}@{container.Hostname}:{port}/"), new Uri($"http://{container.Hostname}:{managementPort}/")),
        IStoppableBroker, IAsyncDisposable
{
    public Task StopAsync(Signal signal) => Engine.KillAsync(container, signal);

    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        await Engine.StartAsync(container, cancellationToken);
        await Wait.UntilAsync(() => IsUpAsync(cancellationToken), TimeSpan.FromSeconds(90), () => $"RabbitMQ at {Host}:{Port}", cancellationToken);
    }

    public Task PauseAsync() => container.PauseAsync();

    public Task ContinueAsync() => container.UnpauseAsync();

    public async Task SetAlarmAsync(bool raised)
    {
        var done = await container.ExecAsync(["rabbitmqctl", .. Alarm(raised)]);
        if (done.ExitCode != 0)
            throw new InvalidOperationException($"rabbitmqctl has failed: {done.Stderr}");
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return container.DisposeAsync();
    }
}

/// <summary>What Testcontainers does not do with a container: to end it by a signal, and to start it again as it was.</summary>
static class Engine
{
    static readonly Lazy<DockerClient> Client = new(() => TestcontainersSettings.OS.DockerEndpointAuthConfig.GetDockerClientBuilder(Guid.Empty).Build());

    public static async Task KillAsync(IContainer container, Signal signal)
    {
        await Client.Value.Containers.KillContainerAsync(container.Id, new ContainerKillParameters { Signal = ((int)signal).ToString(CultureInfo.InvariantCulture) });
        await Client.Value.Containers.WaitContainerAsync(container.Id);
    }

    public static Task StartAsync(IContainer container, CancellationToken cancellationToken) =>
        Client.Value.Containers.StartContainerAsync(container.Id, new ContainerStartParameters(), cancellationToken);
}
