using Testcontainers.PostgreSql;

namespace Saga.Servers;

/// <summary>PostgreSQL in a container.</summary>
sealed class ContainerPostgres(PostgreSqlContainer container, int port, string password)
    : PostgresServer(container.Hostname, port, PostgreSqlBuilder.DefaultUsername, password), IStoppable,
        IAsyncDisposable
{
    public Task StopAsync(Signal signal) => ContainerEngine.KillAsync(container, signal);

    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        await ContainerEngine.StartAsync(container, cancellationToken);
        await Wait.UntilAsync(() => IsUpAsync(cancellationToken), TimeSpan.FromSeconds(60),
            () => $"PostgreSQL at {Address}", cancellationToken);
    }

    public Task PauseAsync() => container.PauseAsync();

    public Task ResumeAsync() => container.UnpauseAsync();

    public ValueTask DisposeAsync() => container.DisposeAsync();
}
