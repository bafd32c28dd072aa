using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

/// <summary>
/// An HTTP client whose network can lose all packets to it, as if its machine had lost its power: it acknowledges
/// nothing and closes nothing. A filter of Linux on its sockets does that, which needs no rights.
/// </summary>
sealed class LossyClient : IDisposable
{
    const int SocketLevel = 1, AttachFilter = 26; // of Linux

    readonly List<Socket> _sockets = [];

    LossyClient(Uri address) => Http = new HttpClient(new SocketsHttpHandler
    {
        ConnectCallback = async (context, cancellationToken) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            _sockets.Add(socket);
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    {
        BaseAddress = address,
        DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", BearerCredentials.Default) },
    };

    /// <summary>The client, which sends a token.</summary>
    public HttpClient Http { get; }

    /// <summary>Makes a client of a replica's JSON API.</summary>
    public static LossyClient Of(ServiceReplica replica) => new(replica.HttpAddress);

    /// <summary>From now on, no packet reaches the client.</summary>
    public void LoseAllPackets()
    {
        var (program, filter) = (new byte[2 * sizeof(ulong)], new byte[sizeof(ulong)]);
        const byte returnConstant = 6; // accept no bytes: the constant, which is the last field, is 0
        filter[0] = returnConstant;
        var pinned = GCHandle.Alloc(filter, GCHandleType.Pinned);
        try
        {
            BitConverter.TryWriteBytes(program, (ushort)1); // instruction
            BitConverter.TryWriteBytes(program.AsSpan(sizeof(ulong)), (long)pinned.AddrOfPinnedObject());
            foreach (var socket in _sockets)
                socket.SetRawSocketOption(SocketLevel, AttachFilter, program);
        }
        finally
        {
            pinned.Free();
        }
    }

    public void Dispose() => Http.Dispose();
}
