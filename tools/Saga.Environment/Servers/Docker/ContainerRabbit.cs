using Testcontainers.RabbitMq;

namespace Saga.Servers;

/// <summary>RabbitMQ in a container.</summary>
sealed class ContainerRabbit(RabbitMqContainer container, int port, int managementPort, string password)
    : RabbitServer(new Uri($"amqp://local:{password}@{container.Hostname}:{port}/"),
        new Uri($"http://{container.Hostname}:{managementPort}/")),
        IStoppableBroker, IAsyncDisposable
{
    public Task StopAsync(Signal signal) => ContainerEngine.KillAsync(container, signal);

    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        await ContainerEngine.StartAsync(container, cancellationToken);
        await Wait.UntilAsync(() => IsUpAsync(cancellationToken), TimeSpan.FromSeconds(90),
            () => $"RabbitMQ at {Host}:{Port}", cancellationToken);
    }

    public Task PauseAsync() => container.PauseAsync();

    public Task ResumeAsync() => container.UnpauseAsync();

    public async Task SetMemoryAlarmAsync(bool isRaised)
    {
        var result = await container.ExecAsync(["rabbitmqctl", .. MemoryAlarmCommand(isRaised)]);
        if (result.ExitCode != 0)
            throw new InvalidOperationException($"rabbitmqctl failed: {result.Stderr}");
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return container.DisposeAsync();
    }
}
