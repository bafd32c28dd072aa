using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Service.Defaults;

/// <summary>
/// Waits for a broker that is away, before MassTransit connects: what fails there is tried again after pauses that grow from
/// 3 to 30 seconds, for which it has no setting.
/// </summary>
sealed partial class BrokerConnection(IHostApplicationLifetime lifetime, ILogger<BrokerConnection> log)
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    /// <summary>Returns when the broker takes connections, refuses this user, or the service stops. Connections are made on a <see cref="BrokerSocket" />.</summary>
    public async Task WaitAsync(ConnectionFactory factory)
    {
        factory.SocketFactory = BrokerSocket.Create;
        for (var said = ""; !lifetime.ApplicationStopping.IsCancellationRequested;)
            try
            {
                // Up to the end of the handshake: a proxy's port can be open long before the broker behind it is there.
                await using var probe = await factory.CreateConnectionAsync("probe", lifetime.ApplicationStopping);
                return;
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (BrokerUnreachableException e) when (e.GetBaseException() is not AuthenticationFailureException)
            {
                if (said != e.GetBaseException().Message)
                    LogAway(said = e.GetBaseException().Message);
                await Task.Delay(Pause, lifetime.ApplicationStopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (BrokerUnreachableException)
            {
                return; // MassTransit will be refused, too, and says so
            }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The broker cannot be reached; it is tried again four times a second: {Reason}")]
    partial void LogAway(string reason);
}
