using System.Net.Sockets;
using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>
/// A socket that reports every lost connection to RabbitMQ.Client. Otherwise version 7.2.2 can wait without a limit.
/// </summary>
/// <remarks>
/// <list type="bullet">
/// <item>A failed write closes the socket instead of throwing, so that the reader reports the loss. In 7.2.2 a failed
/// write ends the only task that writes, and publishers and consumers wait for that task (rabbitmq-dotnet-client issue
/// 1930, fixed after 7.2.2).</item>
/// <item>Reads start only after the first write, because the client ignores a loss that is reported before it awaits
/// the broker's first frame.</item>
/// <item>A broker that sends nothing for too long is treated as lost, also before heartbeats are negotiated.</item>
/// </list>
/// </remarks>
/// <param name="socket">The socket.</param>
/// <param name="maxSilence">How long the broker may send nothing.</param>
sealed class BrokerSocket(Socket socket, TimeSpan maxSilence) : TcpClientAdapter(socket)
{
    /// <summary>The time between two heartbeats; a dead connection is noticed after three.</summary>
    public static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(10);

    static readonly TimeSpan MaxSilence = 3 * Heartbeat;

    /// <summary>Creates a socket for a <see cref="ConnectionFactory" />.</summary>
    public static ITcpClient Create(AddressFamily family) =>
        new BrokerSocket(new Socket(family, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true }, MaxSilence);

    public override NetworkStream GetStream() => new WatchedStream(Client, maxSilence);

    sealed class WatchedStream(Socket socket, TimeSpan maxSilence) : NetworkStream(socket)
    {
        readonly Timer _silence = new(_ => socket.Dispose(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        readonly TaskCompletionSource _written = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer,
            CancellationToken cancellationToken = default)
        {
            await _written.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            _silence.Change(maxSilence, Timeout.InfiniteTimeSpan);
            try
            {
                return await base.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                _silence.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer,
            CancellationToken cancellationToken = default)
        {
            try
            {
                await base.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                Socket.Dispose(); // the reader reports the loss
            }

            _written.TrySetResult();
        }

        protected override void Dispose(bool disposing)
        {
            _written.TrySetResult(); // a pending read ends
            base.Dispose(disposing);
        }
    }
}
