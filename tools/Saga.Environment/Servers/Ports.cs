using System.Net;
using System.Net.Sockets;

namespace Saga.Servers;

/// <summary>Chooses free ports on 127.0.0.1.</summary>
public static class Ports
{
    static readonly HashSet<int> Picked = [];

    /// <summary>The preferred port if it is free, otherwise any free port; never the same port twice.</summary>
    public static int Pick(int preferred = 0)
    {
        lock (Picked)
            while (true)
            {
                var port = TryBind(preferred) ?? TryBind(0)
                    ?? throw new InvalidOperationException("no port of 127.0.0.1 is free");
                if (Picked.Add(port))
                    return port;
                preferred = 0;
            }
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
