using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Messaging.RabbitMq;

/// <summary>What MassTransit's connections to the broker are made with, and when.</summary>
sealed partial class BrokerConnection(IHostApplicationLifetime lifetime, ILogger<BrokerConnection> log)
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    volatile bool _isAway;

    /// <summary>Whether the last try to reach the broker has failed, and not because it refuses this user.</summary>
    public bool IsAway => _isAway;

    /// <summary>
    /// Before MassTransit connects: sets the <see cref="BrokerSocket" />, and waits until the broker takes connections of
    /// this user, whose password may be in the middle of a change, or the service stops. What fails in MassTransit is tried again after pauses that grow from 3 to 30 seconds, for which
    /// it has no setting; what fails here must not reach it, for an endpoint does not outlive an exception that it does not know.
    /// </summary>
    public async Task PrepareAsync(ConnectionFactory factory)
    {
        factory.SocketFactory = BrokerSocket.Create;
        for (var said = ""; !lifetime.ApplicationStopping.IsCancellationRequested;)
            try
            {
                // A try that fails can stay in RabbitMQ.Client 7.2.2, whatever its token says (issue 1968): it is left there until its socket ends.
                await ProbeAsync(factory).WaitAsync(Limit, lifetime.ApplicationStopping);
                _isAway = false;
                return;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                _isAway = e.GetBaseException() is not (PossibleAuthenticationFailureException or OperationInterruptedException);
                if (said != e.GetBaseException().Message)
                    LogAway(said = e.GetBaseException().Message);
                await Task.Delay(Pause, lifetime.ApplicationStopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
    }

    /// <summary>Up to the end of the handshake: a proxy's port can be open long before the broker behind it is there.</summary>
    async Task ProbeAsync(ConnectionFactory factory)
    {
        await using var probe = await factory.CreateConnectionAsync("probe", lifetime.ApplicationStopping);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The broker cannot be reached; it is tried again four times a second: {Reason}")]
    partial void LogAway(string reason);
}
