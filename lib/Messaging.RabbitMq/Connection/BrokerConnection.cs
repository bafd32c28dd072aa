using System.Security.Authentication;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Messaging.RabbitMq;

/// <summary>Prepares MassTransit's connections to the broker, and waits until a node accepts them.</summary>
sealed partial class BrokerConnection(IOptionsMonitor<BrokerOptions> options, IHostApplicationLifetime lifetime,
    ILogger<BrokerConnection> log)
{
    static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    readonly LogLimit _failures = new();
    int _attempts;
    volatile bool _isUnreachable;
    volatile string? _userName;

    /// <summary>
    /// Whether the last attempt could not reach the broker. False if the broker has refused the login, or is not
    /// trusted.
    /// </summary>
    public bool IsUnreachable => _isUnreachable;

    /// <summary>The login of the connection, which the broker demands as the user-id of what is sent.</summary>
    public string? UserName => _userName;

    /// <summary>
    /// Called before MassTransit connects. Installs the <see cref="BrokerSocket" />, and returns when a node of the
    /// broker accepts a connection of this user or the service stops. The factory then connects to that node.
    /// </summary>
    /// <remarks>
    /// MassTransit retries a failed connection after 3 to 30 seconds, which cannot be configured. Its endpoints stop
    /// permanently on unexpected exceptions, such as a refused login while a password is being changed. So failures are
    /// handled here, and retried four times a second.
    /// </remarks>
    public async Task PrepareAsync(ConnectionFactory factory)
    {
        factory.SocketFactory = BrokerSocket.Create;
        while (!lifetime.ApplicationStopping.IsCancellationRequested)
            try
            {
                var nodes = BrokerEndpoints.Read(options.CurrentValue, factory);
                var node = nodes[(int)((uint)_attempts++ % nodes.Count)]; // the same again until it fails
                factory.EndpointResolverFactory = _ => new DefaultEndpointResolver([node]);
                // RabbitMQ.Client 7.2.2 can ignore the token of a failed attempt (its issue 1968).
                await ProbeAsync(factory).WaitAsync(Timeout, lifetime.ApplicationStopping);
                _attempts--;
                _isUnreachable = false;
                _userName = factory.UserName;
                if (_failures.HasEnded(out var duration))
                    LogReached(duration);
                return;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                var cause = e.GetBaseException();
                _isUnreachable = cause is not (PossibleAuthenticationFailureException or OperationInterruptedException
                    or AuthenticationException);
                if (_failures.IsDue(e, out var count))
                    LogUnreachable(Reason.Of(e), count);
                await Task.Delay(Pause, lifetime.ApplicationStopping)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
    }

    /// <summary>Completes the handshake: the port of a proxy can be open long before the broker behind it is.</summary>
    async Task ProbeAsync(ConnectionFactory factory)
    {
        await using var probe = await factory.CreateConnectionAsync("probe", lifetime.ApplicationStopping);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "RabbitMQ cannot be reached, or refuses the login. Orders are accepted, and their messages wait in the outbox. "
        + "The connection is retried four times a second; check the broker and the password: {Reason}. "
        + "Failures since the last such line: {Count}")]
    partial void LogUnreachable(string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "RabbitMQ accepts connections again, after {Duration}; waiting messages are sent")]
    partial void LogReached(TimeSpan duration);
}
