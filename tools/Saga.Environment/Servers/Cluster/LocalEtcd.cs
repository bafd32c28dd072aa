namespace Saga.Servers;

/// <summary>A private etcd of one member, in which Patroni's members agree about the primary.</summary>
public sealed class LocalEtcd : IAsyncDisposable
{
    const string Program = "/usr/bin/etcd";

    readonly string[] _command;
    readonly InstanceFolder _folder;
    ChildProcess? _server;

    LocalEtcd(InstanceFolder folder)
    {
        _folder = folder;
        var (clients, peers) = ($"http://127.0.0.1:{Port}", $"http://127.0.0.1:{Ports.Pick()}");
        _command =
        [
            Program, "--name", "etcd", "--data-dir", folder.CreateSubfolder("etcd"), "--log-level", "warn",
            "--enable-v2", // the version of the API that Patroni uses
            "--listen-client-urls", clients, "--advertise-client-urls", clients,
            "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", $"etcd={peers}",
        ];
    }

    /// <summary>The port for clients on 127.0.0.1.</summary>
    public int Port { get; } = Ports.Pick();

    /// <summary>Whether etcd is installed.</summary>
    public static bool IsInstalled => File.Exists(Program);

    /// <summary>Creates and starts a server.</summary>
    public static async Task<LocalEtcd> StartAsync(InstanceFolder folder, CancellationToken cancellationToken)
    {
        var etcd = new LocalEtcd(folder);
        await etcd.StartAsync(cancellationToken);
        return etcd;
    }

    /// <summary>Starts the server on its data.</summary>
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        _server = ChildProcess.Start(_folder, "etcd", _command);
        await Wait.UntilAsync(async () =>
        {
            if (_server.HasExited)
                throw new InvalidOperationException($"etcd has exited:\n{_server.Tail()}");
            return await Ports.IsOpenAsync("127.0.0.1", Port, cancellationToken);
        }, TimeSpan.FromSeconds(30), () => $"etcd:\n{_server.Tail()}", cancellationToken);
    }

    /// <summary>Kills the server; it keeps its data.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_server != null)
            await _server.DisposeAsync();
    }
}
