using System.Collections.Concurrent;
using System.Diagnostics;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Database;
using Messaging.Postgres.Observability;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Sends every committed message: those of consumers and RPCs right after their commit, those that are due in the
/// outbox when recovery finds them. Remembers which ones the broker has confirmed, so that their rows can be deleted.
/// </summary>
/// <remarks>Nothing is lost if this process ends: what the broker has not confirmed is still in the outbox.</remarks>
sealed partial class MessageDispatcher<TDbContext>(
    IOutboxTransport<TDbContext> transport,
    OutboxOptions<TDbContext> options,
    IOutboxRows<TDbContext> rows,
    OutboxOwner<TDbContext> owner,
    DatabaseClock<TDbContext> clock,
    ILogger<MessageDispatcher<TDbContext>> log)
    where TDbContext : DbContext
{
    const int MaxPosted = 20_000;
    const int MaxRowsPerDelete = 5000;

    static readonly TimeSpan MaxPause = TimeSpan.FromMinutes(1);

    readonly ConcurrentQueue<Guid> _confirmed = new();
    readonly LogLimit _left = new(clock, LogLimit.ForConcurrentTasks), _refused = new(clock), _parked = new(clock);
    readonly SemaphoreSlim _postedCapacity = new(MaxPosted);
    readonly CancellationTokenSource _stopping = new();

    /// <inheritdoc cref="OutboxOwner{TDbContext}.Id" />
    public Guid OwnerId => owner.Id;

    /// <summary>
    /// Starts to send committed messages, and does not wait for their confirmations. Messages beyond the capacity are
    /// left to recovery.
    /// </summary>
    public void Post(IEnumerable<OutboxMessage> committed)
    {
        if (!options.Deliver)
            return;
        foreach (var message in committed.Where(x => !x.IsDelayed))
            if (_postedCapacity.Wait(0))
                _ = SendPosted(message); // it logs its failure, and leaves the message in the outbox
            else
                owner.Release(message);
    }

    /// <summary>
    /// Leaves messages to recovery whose commit has failed, or seems to: those that are in the outbox are sent by any
    /// replica.
    /// </summary>
    public void Release(IEnumerable<OutboxMessage> messages)
    {
        foreach (var message in messages.Where(x => !x.IsDelayed))
            owner.Release(message);
    }

    async Task SendPosted(OutboxMessage message)
    {
        try
        {
            owner.Keep(message);
            await TrySend(message, _stopping.Token).ConfigureAwait(false);
            FaultInjection.Reach(FaultPoint.InDispatch);
        }
        finally
        {
            _postedCapacity.Release();
        }
    }

    /// <summary>
    /// Sends committed messages concurrently, and returns when each is confirmed or has failed. A failure is logged;
    /// the recovery of any replica sends the message.
    /// </summary>
    public Task Dispatch(IReadOnlyList<OutboxMessage> messages, CancellationToken cancellationToken) =>
        messages.Count switch
        {
            0 => Task.CompletedTask,
            1 => TrySend(messages[0], cancellationToken),
            _ => Task.WhenAll(messages.Select(x => TrySend(x, cancellationToken))),
        };

    async Task TrySend(OutboxMessage message, CancellationToken cancellationToken)
    {
        if (await Send(message, cancellationToken).ConfigureAwait(false) is { } error)
        {
            owner.Release(message);
            ReportLeft(message, error);
        }
        else if (_left.HasEnded(out var duration))
        {
            LogSentAgain(duration);
        }
    }

    void ReportLeft(OutboxMessage message, Exception error)
    {
        var queue = QueueOf(message);
        if (!_left.IsDue((queue, LogLimit.KindOf(error)), out var count))
            return;
        using (log.Begin(message, options.MessageTag, out var subject))
            LogLeftToRecovery(Reason.Unexpected(error), subject, queue, Text(error), count);
    }

    /// <summary>Claims due messages and sends them.</summary>
    /// <param name="retries">One message that was refused before; otherwise many that were not.</param>
    /// <param name="cancellationToken">Cancels the claim and the sends.</param>
    /// <returns>The number of claimed messages.</returns>
    public async Task<int> DispatchDue(bool retries, CancellationToken cancellationToken)
    {
        await rows.ReadClock(cancellationToken).ConfigureAwait(false);
        if (!transport.IsAvailable)
            return 0;
        var claimed = await rows.Claim(OwnerId, retries, cancellationToken).ConfigureAwait(false);
        if (claimed.Count > 0)
            FaultInjection.Reach(claimed.Exists(x => x.IsDelayed) ? FaultPoint.InScheduler : FaultPoint.InRecovery);
        await Task.WhenAll(claimed.Select(x => SendClaimed(x, cancellationToken))).ConfigureAwait(false);
        return claimed.Count;
    }

    /// <summary>
    /// Sends a claimed message; one that fails is postponed with a growing pause, and parked at the last attempt.
    /// </summary>
    async Task SendClaimed(OutboxMessage message, CancellationToken cancellationToken)
    {
        var error = await Send(message, cancellationToken).ConfigureAwait(false);
        if (error == null || cancellationToken.IsCancellationRequested)
            return;

        // Count an attempt only if the broker refused the message, not if it was unavailable.
        var isRefused = error is not ConnectionException && transport.IsAvailableFor(message);
        var attempts = message.Attempts + (isRefused ? 1 : 0);
        var park = attempts >= options.MaxDeliveryAttempts;
        var pause = TimeSpan.FromSeconds(Math.Min(MaxPause.TotalSeconds, 0.5 * Math.Pow(2, Math.Min(attempts, 10))));
        try
        {
            await rows.Postpone(OwnerId, message.Id, attempts, pause, park, Text(error), cancellationToken)
                .ConfigureAwait(false);
        }
        catch
        {
            owner.Release(message);
            throw;
        }

        ReportRefused(message, error, attempts, pause, park);
    }

    void ReportRefused(OutboxMessage message, Exception error, int attempts, TimeSpan pause, bool park)
    {
        var queue = QueueOf(message);
        if (!(park ? _parked : _refused).IsDue((queue, LogLimit.KindOf(error)), out var count))
            return;
        using (log.Begin(message, options.MessageTag, out var subject))
            if (park)
                LogParked(Reason.Unexpected(error), message.MessageId, subject, queue, attempts, Text(error), count);
            else
                LogPostponed(Reason.Unexpected(error), subject, queue, attempts, pause, Text(error), count);
    }

    static string? QueueOf(OutboxMessage message) => Destination.Of(message.DestinationAddress).Name.Value as string;

    async Task<Exception?> Send(OutboxMessage message, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(options.MessageDeliveryTimeout);
        var started = Stopwatch.GetTimestamp();
        Exception? error = null;
        var span = MessageSpans.StartSend(message, options.MessageTag);
        MessagingMetrics.MessageSent(message.DestinationAddress);
        try
        {
            // A transport whose connection hangs may ignore the token, so this wait does not depend on the transport.
            await transport.Send(message, clock.UtcNow, timeout.Token).WaitAsync(timeout.Token).ConfigureAwait(false);
            _confirmed.Enqueue(message.Id);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            error = e;
        }

        span.End(error);
        MessagingMetrics.SendEnded(message.DestinationAddress, Stopwatch.GetElapsedTime(started), error);
        return error;
    }

    /// <summary>Deletes the rows of all confirmed messages, many per statement.</summary>
    public async Task DeleteConfirmed(CancellationToken cancellationToken)
    {
        for (var left = _confirmed.Count; left > 0; left -= MaxRowsPerDelete)
        {
            var ids = new List<Guid>();
            while (ids.Count < MaxRowsPerDelete && _confirmed.TryDequeue(out var id))
                ids.Add(id);
            try
            {
                await rows.Delete([.. ids], cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                // Otherwise recovery would send these messages again. That is harmless: inboxes drop duplicates.
                ids.ForEach(_confirmed.Enqueue);
                throw;
            }
        }
    }

    /// <summary>Cancels the sends of posted messages, and leaves these messages to recovery.</summary>
    public Task Stop() => _stopping.CancelAsync();

    /// <summary>The reason for an operator: a cancelled task has no message that explains it.</summary>
    static string Text(Exception error) => error is OperationCanceledException
        ? "the broker has not confirmed it" : $"{error.GetType().Name}: {Reason.Of(error)}";

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "A message of {Subject} to {Queue} could not be sent right after its commit. It is in the outbox, and is sent "
        + "again later: {Reason}. Such messages since the last such line: {Count}")]
    partial void LogLeftToRecovery(Exception? error, string subject, string? queue, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Messages are sent right after their commits again, after {Duration}")]
    partial void LogSentAgain(TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "A message of {Subject} to {Queue} could not be sent from the outbox. The broker has refused it {Attempts} "
        + "times, and the next attempt is in {Pause}. Check that the queue exists: {Reason}. "
        + "Such messages since the last such line: {Count}")]
    partial void LogPostponed(Exception? error, string subject, string? queue, int attempts, TimeSpan pause,
        string reason, int count);

    [LoggerMessage(Level = LogLevel.Critical, Message =
        "Message {MessageId} of {Subject} to {Queue} is parked after {Attempts} attempts: it stays in the outbox, and "
        + "is not sent until an operator resets it (docs/operations.md has the SQL): {Reason}. "
        + "Parked messages since the last such line: {Count}")]
    partial void LogParked(Exception? error, Guid messageId, string subject, string? queue, int attempts,
        string reason, int count);
}
