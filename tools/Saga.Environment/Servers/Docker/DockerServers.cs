using Docker.DotNet.Models;
using Testcontainers.PostgreSql;
using Testcontainers.RabbitMq;

namespace Saga.Servers;

/// <summary>Servers in containers, started by Testcontainers. Their ports are published on 127.0.0.1 only.</summary>
public sealed class DockerServers : IServers
{
    const string PostgresImage = "postgres:17", RabbitImage = "rabbitmq:4-management";

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

    /// <summary>Starts both servers concurrently.</summary>
    /// <param name="wellKnownPorts">Whether to prefer the default ports; otherwise any free ports are used.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    public static async Task<DockerServers> StartAsync(bool wellKnownPorts, CancellationToken cancellationToken)
    {
        // Fixed ports, because a restarted container would otherwise get new ones.
        var ports = new[] { 5432, 5672, 15672 }.Select(x => Ports.Pick(wellKnownPorts ? x : 0)).ToArray();
        // Testcontainers switches durability off for speed; the tests of crashes need it.
        var postgres = new PostgreSqlBuilder(PostgresImage).WithPassword(Password)
            .WithCommand("-c", "fsync=on", "-c", "full_page_writes=on", "-c", "synchronous_commit=on")
            .WithCommand([.. PostgresServer.Settings])
            .WithPortBinding(ports[0], 5432).WithCreateParameterModifier(BindToLoopback).Build();
        var rabbit = new RabbitMqBuilder(RabbitImage).WithUsername("local").WithPassword(Password)
            .WithResourceMapping("[rabbitmq_management,rabbitmq_shovel_management].\n"u8.ToArray(),
                "/etc/rabbitmq/enabled_plugins")
            // Tests and attacks send messages in the name of the services.
            .WithResourceMapping("default_user_tags.administrator = true\ndefault_user_tags.impersonator = true\n"u8
                .ToArray(), "/etc/rabbitmq/conf.d/20-tags.conf")
            .WithPortBinding(ports[1], 5672).WithPortBinding(ports[2], 15672)
                .WithCreateParameterModifier(BindToLoopback).Build();
        try
        {
            await Task.WhenAll(postgres.StartAsync(cancellationToken), rabbit.StartAsync(cancellationToken));
            return new DockerServers(new ContainerPostgres(postgres, ports[0], Password),
                new ContainerRabbit(rabbit, ports[1], ports[2], Password));
        }
        catch
        {
            await Task.WhenAll(postgres.DisposeAsync().AsTask(), rabbit.DisposeAsync().AsTask());
            throw;
        }
    }

    static void BindToLoopback(CreateContainerParameters container)
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
