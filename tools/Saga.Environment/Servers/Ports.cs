using System.Net;
using System.Net.Sockets;

namespace Saga.Servers;

/// <summary>
/// Chooses free ports on 127.0.0.1. Each process has a range of its ports below those that the system gives to outgoing
/// connections, so that a server that is stopped finds its port free when it is started again.
/// </summary>
public static class Ports
{
    const int First = 10_000;
    const int RangeSize = 2_000;
    const int Ranges = 11;

    static readonly HashSet<int> Picked = [];
    static FileStream? _range; // locked while this process runs
    static int _next = -1;
    static int _end;

    /// <summary>The preferred port if it is free, otherwise any free port; never the same port twice.</summary>
    public static int Pick(int preferred = 0)
    {
        lock (Picked)
        {
            if (preferred != 0 && TryBind(preferred) is { } free && Picked.Add(free))
                return free;
            if (_next < 0)
                TakeRange();
            while (_next < _end)
                if (TryBind(_next++) is { } port && Picked.Add(port))
                    return port;
            while (true)
            {
                var any = TryBind(0) ?? throw new InvalidOperationException("no port of 127.0.0.1 is free");
                if (Picked.Add(any))
                    return any;
            }
        }
    }

    /// <summary>Takes the first range that no other process has; none if there are too many processes.</summary>
    static void TakeRange()
    {
        for (var range = 0; range < Ranges && _range == null; range++)
            try
            {
                _range = new FileStream(Path.Combine(Path.GetTempPath(), $"ordersaga-ports-{range}"),
                    FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                _next = First + range * RangeSize;
            }
            catch (IOException)
            {
                // Another process has it.
            }

        _next = Math.Max(_next, 0);
        _end = _range == null ? 0 : _next + RangeSize;
    }

    static int? TryBind(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return ((IPEndPoint)socket.LocalEndPoint!).Port;
        }
        catch (SocketException)
        {
            return null; // in use
        }
    }

    /// <summary>Whether a server accepts connections on the port.</summary>
    public static async Task<bool> IsOpenAsync(string host, int port, CancellationToken cancellationToken)
    {
        using var socket = new TcpClient();
        try
        {
            await socket.ConnectAsync(host, port, cancellationToken);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
