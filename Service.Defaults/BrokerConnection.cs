using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Service.Defaults;

/// <summary>What MassTransit's connections to the broker are made with, and when.</summary>
sealed partial class BrokerConnection(IHostApplicationLifetime lifetime, ILogger<BrokerConnection> log)
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// Before MassTransit connects: sets the <see cref="BrokerSocket" />, and waits until the broker takes connections, refuses this
    /// user, or the service stops. What fails in MassTransit is tried again after pauses that grow from 3 to 30 seconds, for which
    /// it has no setting.
    /// </summary>
    public async Task PrepareAsync(ConnectionFactory factory)
    {
        factory.SocketFactory = BrokerSocket.Create;
        for (var said = ""; !lifetime.ApplicationStopping.IsCancellationRequested;)
            try
            {
                // Up to the end of the handshake: a proxy's port can be open long before the broker behind it is there.
                await using var probe = await factory.CreateConnectionAsync("probe", lifetime.ApplicationStopping);
                return;
            }
            catch (BrokerUnreachableException e) when (e.GetBaseException() is not AuthenticationFailureException)
            {
                if (said != e.GetBaseException().Message)
                    LogAway(said = e.GetBaseException().Message);
                await Task.Delay(Pause, lifetime.ApplicationStopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception e) when (e is BrokerUnreachableException or OperationCanceledException)
            {
                return; // refused, as MassTransit will be, too, and says so; or stopping
            }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The broker cannot be reached; it is tried again four times a second: {Reason}")]
    partial void LogAway(string reason);
}
