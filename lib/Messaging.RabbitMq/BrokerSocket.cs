using System.Net.Sockets;
using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>
/// A socket to the broker that never leaves RabbitMQ.Client 7.2.2 waiting for ever, as it otherwise can:
/// a write does not fail, but closes the socket, and its reader reports the loss (else the only task that writes ends, and who has
/// something to write waits for it, publishers and consumers alike: rabbitmq-dotnet-client issue 1930, mended after that version);
/// nobody reads before something was written (a loss that the reader sees before somebody waits for the broker's first word is told
/// to nobody); and a broker that says nothing for too long is lost, also before there are heartbeats.
/// </summary>
/// <param name="socket">What it is on.</param>
/// <param name="longestSilence">How long it may have nothing to read.</param>
sealed class BrokerSocket(Socket socket, TimeSpan longestSilence) : TcpClientAdapter(socket)
{
    /// <summary>Between two heartbeats; a connection that is dead is noticed after <see cref="MaxSilence" />.</summary>
    public static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(10);

    static readonly TimeSpan MaxSilence = 3 * Heartbeat;

    /// <summary>Makes one, for <see cref="ConnectionFactory" />.</summary>
    public static ITcpClient Create(AddressFamily family) =>
        new BrokerSocket(new Socket(family, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true }, MaxSilence);

    public override NetworkStream GetStream() => new WatchedStream(Client, longestSilence);

    sealed class WatchedStream(Socket socket, TimeSpan longestSilence) : NetworkStream(socket)
    {
        readonly TaskCompletionSource _written = new(TaskCreationOptions.RunContinuationsAsynchronously);
        readonly Timer _silence = new(_ => socket.Dispose(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await _written.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            _silence.Change(longestSilence, Timeout.InfiniteTimeSpan);
            try
            {
                return await base.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                _silence.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }

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

            _written.TrySetResult();
        }

        protected override void Dispose(bool disposing)
        {
            _written.TrySetResult(); // who waits to read is told
            base.Dispose(disposing);
        }
    }
}
