namespace Saga.Servers;

/// <summary>
/// Private servers of which any one may be lost: a RabbitMQ cluster of three nodes, and for each service a PostgreSQL
/// primary with a synchronous standby. Run from the programs installed on this machine.
/// </summary>
public sealed class ClusterServers : IServers
{
    ClusterServers(InstanceFolder folder, LocalEtcd etcd, LocalPatroni orders, LocalPatroni accounts,
        LocalRabbitCluster rabbit) =>
        (Folder, Etcd, OrderPostgres, AccountPostgres, Rabbit) = (folder, etcd, orders, accounts, rabbit);

    /// <inheritdoc />
    public string Description => "a RabbitMQ cluster of three nodes; a PostgreSQL primary and a synchronous standby "
        + "for each service, by Patroni; private instances";

    /// <summary>The database servers of Order.</summary>
    public LocalPatroni OrderPostgres { get; }

    /// <summary>The database servers of Account.</summary>
    public LocalPatroni AccountPostgres { get; }

    /// <summary>The broker.</summary>
    public LocalRabbitCluster Rabbit { get; }

    /// <summary>Where the database servers agree about their primaries.</summary>
    public LocalEtcd Etcd { get; }

    /// <inheritdoc />
    public InstanceFolder Folder { get; }

    PostgresServer IServers.Postgres => OrderPostgres;
    PostgresServer IServers.AccountPostgres => AccountPostgres;
    RabbitServer IServers.Rabbit => Rabbit;

    /// <summary>Why the servers cannot be started here; null if they can.</summary>
    public static string? Missing() => LocalTls.Instance != null
        ? $"the cluster's databases do not encrypt: run without {LocalTls.Variable}"
        : LocalServers.Missing() ?? LocalPatroni.Missing();

    /// <summary>Starts all servers.</summary>
    /// <exception cref="InvalidOperationException">A server is not installed.</exception>
    public static async Task<ClusterServers> StartAsync(CancellationToken cancellationToken)
    {
        if (Missing() is { } missing)
            throw new InvalidOperationException(missing);
        var folder = InstanceFolder.Create();
        try
        {
            var etcd = await LocalEtcd.StartAsync(folder, cancellationToken);
            var rabbit = LocalRabbitCluster.StartAsync(folder, LocalRabbit.FindProgram()!, cancellationToken);
            var orders = LocalPatroni.StartAsync(folder, "orders", etcd, cancellationToken);
            var accounts = LocalPatroni.StartAsync(folder, "accounts", etcd, cancellationToken);
            await Task.WhenAll(rabbit, orders, accounts);
            return new ClusterServers(folder, etcd, await orders, await accounts, await rabbit);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Waits until every server runs and is replicated.</summary>
    public async Task WaitUntilWholeAsync(CancellationToken cancellationToken)
    {
        await OrderPostgres.WaitUntilWholeAsync(cancellationToken);
        await AccountPostgres.WaitUntilWholeAsync(cancellationToken);
        await Rabbit.WaitUntilWholeAsync(cancellationToken);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(OrderPostgres.DisposeAsync().AsTask(), AccountPostgres.DisposeAsync().AsTask(),
            Rabbit.DisposeAsync().AsTask());
        await Etcd.DisposeAsync();
        Folder.Dispose();
    }
}
