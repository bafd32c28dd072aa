using System.Net;
using System.Net.Sockets;
using Saga.Servers;

namespace Saga.Attack;

/// <summary>A simulated network between a process and a server: a TCP proxy on 127.0.0.1.</summary>
sealed class TcpProxy : IAsyncDisposable
{
    static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(200);

    readonly HashSet<TcpClient> _clients = [], _lost = []; // guarded by a lock on the first
    readonly TcpListener _listener;
    readonly CancellationTokenSource _stop = new();
    readonly (string Host, int Port) _server;
    readonly Task _accepting;
    volatile NetworkCondition _condition;

    public TcpProxy(string host, int port)
    {
        _server = (host, port);
        Port = Ports.Pick();
        _listener = new TcpListener(IPAddress.Loopback, Port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>The proxy's port on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>The current condition; setting <see cref="NetworkCondition.Cut" /> closes all connections.</summary>
    public NetworkCondition Condition
    {
        get => _condition;
        set
        {
            _condition = value;
            if (value == NetworkCondition.Cut)
                CloseAll();
        }
    }

    async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
            try
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                _ = ForwardAsync(client);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
    }

    async Task ForwardAsync(TcpClient client)
    {
        using (client)
        {
            if (_condition == NetworkCondition.Cut)
                return;
            using var server = new TcpClient();
            try
            {
                await server.ConnectAsync(_server.Host, _server.Port, _stop.Token);
                client.NoDelay = server.NoDelay = true;
                lock (_clients)
                    _clients.Add(client);
                // A connection with one closed direction is closed entirely.
                await await Task.WhenAny(CopyAsync(client, server, client, NetworkCondition.RequestsHeld),
                    CopyAsync(server, client, client, NetworkCondition.ResponsesHeld));
            }
            catch (Exception e) when (
                e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // Either side closed the connection, as it may at any time.
            }
            finally
            {
                lock (_clients)
                {
                    _clients.Remove(client);
                    _lost.Remove(client);
                }
            }
        }
    }

    async Task CopyAsync(TcpClient from, TcpClient to, TcpClient client, NetworkCondition heldBy)
    {
        var buffer = new byte[64 * 1024];
        var (source, target) = (from.GetStream(), to.GetStream());
        while (true)
        {
            var count = await source.ReadAsync(buffer, _stop.Token);
            if (count == 0)
                return;
            while (_condition == heldBy)
                await Task.Delay(20, _stop.Token);
            if (_condition == NetworkCondition.Slow)
                await Task.Delay(Delay, _stop.Token);
            if (!IsLost(client))
                await target.WriteAsync(buffer.AsMemory(0, count), _stop.Token);
        }
    }

    /// <summary>
    /// Drops all data of the connections that are open, and closes none: a firewall has forgotten them.
    /// </summary>
    public void Forget()
    {
        lock (_clients)
            _lost.UnionWith(_clients);
    }

    bool IsLost(TcpClient client)
    {
        lock (_clients)
            return _lost.Contains(client);
    }

    void CloseAll()
    {
        lock (_clients)
            foreach (var client in _clients)
                client.Client?.Close();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        CloseAll();
        await _accepting;
        _stop.Dispose();
    }
}
