using System.Net;
using System.Net.Sockets;

namespace Saga.Servers;

/// <summary>Ports of 127.0.0.1.</summary>
public static class Ports
{
    static readonly HashSet<int> Given = [];

    /// <summary>The preferred port if nobody listens on it, else any free one; never the same twice.</summary>
    public static int Pick(int preferred = 0)
    {
        lock (Given)
            while (true)
            {
                var port = TryBind(preferred) ?? TryBind(0) ?? throw new InvalidOperationException("there is no free port");
                if (Given.Add(port))
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
            return null; // somebody has it
        }
    }

    /// <summary>Whether somebody listens.</summary>
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
