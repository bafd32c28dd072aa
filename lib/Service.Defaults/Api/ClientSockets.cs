using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Service.Defaults;

/// <summary>The sockets on which clients connect.</summary>
static class ClientSockets
{
    const int TcpUserTimeout = 18; // of Linux, in milliseconds

    // A client that is gone without closing its connection acknowledges nothing. HTTP/2 has pings for it; a JSON stream
    // would stay for a quarter of an hour.
    static readonly TimeSpan MaxUnacknowledged = TimeSpan.FromMinutes(1);

    /// <summary>Creates a listening socket; Linux copies the option to every accepted one.</summary>
    public static Socket Listen(EndPoint endpoint)
    {
        var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
        if (OperatingSystem.IsLinux() && endpoint is IPEndPoint)
            socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, TcpUserTimeout,
                BitConverter.GetBytes((int)MaxUnacknowledged.TotalMilliseconds));
        return socket;
    }
}
