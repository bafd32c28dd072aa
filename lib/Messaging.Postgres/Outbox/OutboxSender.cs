using System.Collections.Concurrent;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Outbox;

/// <summary>Sends committed messages and remembers which ones the broker has confirmed, so that their rows can go.</summary>
sealed partial class OutboxSender<TDbContext>(
    IOutboxTransport<TDbContext> transport,
    OutboxOptions<TDbContext> options,
    IOutboxRows<TDbContext> rows,
    DatabaseClock<TDbContext> clock,
    ILogger<OutboxSender<TDbContext>> log)
    where TDbContext : DbContext
{
    static readonly TimeSpan MaxPause = TimeSpan.FromMinutes(1);

    readonly ConcurrentQueue<Guid> _confirmed = new();

    /// <summary>
    /// Sends messages side by side and returns when each is confirmed or has failed. A failure is logged and the
    /// message left in its row, for the recovery of any replica to send when its lease is over.
    /// </summary>
    public Task SendAll(IReadOnlyList<OutboxMessage> messages, CancellationToken cancellationToken) =>
        messages.Count switch
        {
            0 => Task.CompletedTask,
            1 => TrySend(messages[0], cancellationToken),
            _ => Task.WhenAll(messages.Select(m => TrySend(m, cancellationToken))),
        };

    async Task TrySend(OutboxMessage message, CancellationToken cancellationToken)
    {
        if (await Send(message, cancellationToken).ConfigureAwait(false) is { } error)
            LogLeftToRecovery(Surprise(error), message.MessageId, message.DestinationAddress, Reason(error));
    }

    /// <summary>Claims what is due and sends it; answers how many there were.</summary>
    /// <param name="suspects">One message that was refused before; else many that were not.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<int> SendDue(bool suspects, CancellationToken cancellationToken)
    {
        await rows.ReadClock(cancellationToken).ConfigureAwait(false);
        if (!transport.IsThere)
            return 0;
        var claimed = await rows.Claim(suspects, cancellationToken).ConfigureAwait(false);
        if (claimed.Count > 0)
            FaultInjection.Reach(claimed.Exists(x => x.IsDelayed) ? FaultPoint.InScheduler : FaultPoint.InRecovery);
        await Task.WhenAll(claimed.Select(m => SendClaimed(m, cancellationToken))).ConfigureAwait(false);
        return claimed.Count;
    }

    /// <summary>Sends a claimed message; one that fails is put off with a growing pause, and parked at the last try.</summary>
    async Task SendClaimed(OutboxMessage message, CancellationToken cancellationToken)
    {
        var error = await Send(message, cancellationToken).ConfigureAwait(false);
        if (error == null || cancellationToken.IsCancellationRequested)
            return;

        // A broker that is away, or takes nothing, says nothing about the message: that try is not held against it.
        var attempts = message.Attempts + (transport.IsThere && error is not ConnectionException ? 1 : 0);
        var park = attempts >= options.MaxDeliveryAttempts;
        var pause = TimeSpan.FromSeconds(Math.Min(MaxPause.TotalSeconds, 0.5 * Math.Pow(2, Math.Min(attempts, 10))));
        await rows.Postpone(message.Id, attempts, pause, park, Reason(error), cancellationToken).ConfigureAwait(false);
        if (park)
            LogParked(error, message.MessageId, message.MessageType, message.DestinationAddress, attempts);
        else
            LogPostponed(Surprise(error), message.MessageId, message.DestinationAddress, attempts, pause, Reason(error));
    }

    static string Reason(Exception error) => $"{error.GetType().Name}: {error.Message}";

    /// <summary>What is logged with its stack: not that the broker is away, or refuses a message, which fails thousands alike.</summary>
    static Exception? Surprise(Exception error) => error is MassTransitException or OperationCanceledException ? null : error;

    async Task<Exception?> Send(OutboxMessage message, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(options.MessageDeliveryTimeout);
        try
        {
            // The transport may not hear of the timeout: a connection that its broker has upset can keep a send for ever.
            await transport.Send(message, clock.UtcNow, timeout.Token).WaitAsync(timeout.Token).ConfigureAwait(false);
            _confirmed.Enqueue(message.Id);
            return null;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return e;
        }
    }

    /// <summary>Deletes the rows of all confirmed messages, many per statement.</summary>
    public async Task DeleteConfirmed(CancellationToken cancellationToken)
    {
        while (!_confirmed.IsEmpty)
        {
            var ids = new List<Guid>();
            while (ids.Count < 5000 && _confirmed.TryDequeue(out var id))
                ids.Add(id);
            try
            {
                await rows.Delete([.. ids], cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                // Not lost: what stays undeleted is sent again after its lease, and dropped by the inboxes.
                ids.ForEach(_confirmed.Enqueue);
                throw;
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "Message {MessageId} to {Destination} could not be sent after its commit; recovery will: {Reason}")]
    partial void LogLeftToRecovery(Exception? error, Guid messageId, string destination, string reason);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "Message {MessageId} to {Destination} was not sent, attempt {Attempts}; next try in {Pause}: {Reason}")]
    partial void LogPostponed(Exception? error, Guid messageId, string destination, int attempts, TimeSpan pause, string reason);

    [LoggerMessage(Level = LogLevel.Critical,
        Message = "Message {MessageId} ({MessageType}) to {Destination} is parked after {Attempts} attempts: it stays in the outbox and is not tried again")]
    partial void LogParked(Exception error, Guid messageId, string messageType, string destination, int attempts);
}
