using System.Net.Sockets;
using RabbitMQ.Client;

namespace Service.Defaults;

/// <summary>
/// A socket to the broker whose writes do not fail: after one that does it is closed, and its reader reports the loss.
/// In RabbitMQ.Client 7.2.2 a failed write ends the only task that writes, and leaves whoever has something to write waiting
/// for ever: publishers, and consumers with their acknowledgements, for whose end MassTransit waits before it connects again
/// (rabbitmq-dotnet-client issue 1930, mended after that version).
/// </summary>
sealed class BrokerSocket(Socket socket) : TcpClientAdapter(socket)
{
    /// <summary>Makes one, for <see cref="ConnectionFactory" />.</summary>
    public static ITcpClient Create(AddressFamily family) =>
        new BrokerSocket(new Socket(family, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true });

    public override NetworkStream GetStream() => new Writes(Client);

    sealed class Writes(Socket socket) : NetworkStream(socket)
    {
        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                await base.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                Socket.Dispose(); // what reads from it says what has happened
            }
        }
    }
}
