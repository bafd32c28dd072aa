using System.Net;
using System.Net.Sockets;
using Saga.Servers;

namespace Saga.Attack;

/// <summary>What a way through the network does to what goes along it.</summary>
enum Road
{
    /// <summary>Lets all through.</summary>
    Open,

    /// <summary>Ends every connection and refuses new ones.</summary>
    Cut,

    /// <summary>Holds what goes to the server; answers still come.</summary>
    NothingThere,

    /// <summary>Holds what comes back.</summary>
    NothingBack,

    /// <summary>Lets everything through a fifth of a second later.</summary>
    Slow,
}

/// <summary>The network between one process and one server.</summary>
sealed class TcpProxy : IAsyncDisposable
{
    static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(200);

    readonly HashSet<TcpClient> _clients = [];
    readonly TcpListener _listener;
    readonly CancellationTokenSource _stop = new();
    readonly (string Host, int Port) _server;
    readonly Task _accepting;
    volatile Road _road;

    public TcpProxy(string host, int port)
    {
        _server = (host, port);
        Port = Ports.Pick();
        _listener = new TcpListener(IPAddress.Loopback, Port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Where it listens, on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>What it does now.</summary>
    public Road Road
    {
        get => _road;
        set
        {
            _road = value;
            if (value == Road.Cut)
                CloseAll();
        }
    }

    async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
            try
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                _ = CarryAsync(client);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
    }

    async Task CarryAsync(TcpClient client)
    {
        using (client)
        {
            if (_road == Road.Cut)
                return;
            using var server = new TcpClient();
            try
            {
                await server.ConnectAsync(_server.Host, _server.Port, _stop.Token);
                client.NoDelay = server.NoDelay = true;
                lock (_clients)
                    _clients.Add(client);
                // When one direction has ended, so has the other.
                await await Task.WhenAny(PumpAsync(client, server, Road.NothingThere), PumpAsync(server, client, Road.NothingBack));
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // The connection is over, on one side or the other: that is what networks do.
            }
            finally
            {
                lock (_clients)
                    _clients.Remove(client);
            }
        }
    }

    async Task PumpAsync(TcpClient from, TcpClient to, Road held)
    {
        var buffer = new byte[64 * 1024];
        var (source, target) = (from.GetStream(), to.GetStream());
        while (true)
        {
            var count = await source.ReadAsync(buffer, _stop.Token);
            if (count == 0)
                return;
            while (_road == held)
                await Task.Delay(20, _stop.Token);
            if (_road == Road.Slow)
                await Task.Delay(Delay, _stop.Token);
            await target.WriteAsync(buffer.AsMemory(0, count), _stop.Token);
        }
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
