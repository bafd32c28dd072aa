using System.Collections.Concurrent;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// This replica as the owner of the messages that it has committed or claimed: nobody else claims them while it lives.
/// </summary>
/// <remarks>
/// Each replica counts heartbeats in the database. One whose count does not change in ten rounds of another is dead,
/// and its messages can be claimed by any. No clock is compared, so clocks may step; and while the database is away,
/// there are neither heartbeats nor rounds.
/// </remarks>
sealed partial class OutboxOwner<TDbContext>(
    IOutboxRows<TDbContext> rows,
    OutboxOptions<TDbContext> options,
    DatabaseClock<TDbContext> clock,
    ILogger<OutboxOwner<TDbContext>> log)
    where TDbContext : DbContext
{
    const int MaxSilentRounds = 10;

    /// <summary>More are found by the search for own messages.</summary>
    const int MaxReleased = 20_000;

    /// <summary>How long after its commit the send of a message begins.</summary>
    static readonly TimeSpan MaxDispatchTime = TimeSpan.FromSeconds(5);

    static readonly TimeSpan OrphanInterval = TimeSpan.FromSeconds(15);

    readonly ConcurrentDictionary<Guid, bool> _released = new(); // a set
    IReadOnlyCollection<(Guid Id, DateTime EnqueueTime)> _own = [];
    long? _orphansSearched, _ownSearched; // timestamps
    long _heartbeats;
    volatile IReadOnlyDictionary<Guid, Replica> _replicas = new Dictionary<Guid, Replica>();

    /// <summary>The replica's id in <see cref="OutboxState" />; another after each start.</summary>
    public Guid Id { get; init; } = Guid.NewGuid();

    /// <summary>The pause between two heartbeats.</summary>
    public TimeSpan HeartbeatInterval => options.OwnerTimeout / MaxSilentRounds;

    /// <summary>
    /// Releases a message that this replica could not send, or of which it does not know whether it was committed: the
    /// row, if there is one, can soon be claimed by any replica.
    /// </summary>
    public void Release(OutboxMessage message)
    {
        if (_released.Count < MaxReleased)
            _released[message.Id] = true;
    }

    /// <summary>Sends a message itself, although a commit of it has failed before.</summary>
    public void Keep(OutboxMessage message) => _released.TryRemove(message.Id, out _);

    /// <summary>
    /// Counts a heartbeat, and those of the others. Run it once in <see cref="HeartbeatInterval" />.
    /// </summary>
    public async Task Heartbeat(CancellationToken cancellationToken)
    {
        var self = new OutboxState { OutboxId = Id, Heartbeats = ++_heartbeats };
        var states = await rows.Heartbeat(self, cancellationToken).ConfigureAwait(false);
        var before = _replicas;
        _replicas = states.ToDictionary(x => x.OutboxId, x => new Replica(x,
            before.TryGetValue(x.OutboxId, out var seen) && seen.State.Heartbeats == x.Heartbeats
                ? seen.SilentRounds + 1 : 0));
    }

    /// <summary>
    /// Makes messages claimable that nobody sends: those of dead replicas, and own ones that exist for longer than a
    /// send takes, which nobody in this process knows, because their commit has lost its response.
    /// </summary>
    public async Task AdoptOrphans(CancellationToken cancellationToken)
    {
        var dead = _replicas.Values.Where(x => x.SilentRounds >= MaxSilentRounds).Select(x => x.State).ToList();
        if (options.Deliver && (dead.Count > 0 || IsDue(_orphansSearched, OrphanInterval)))
        {
            var adopted = await rows.Adopt(dead, cancellationToken).ConfigureAwait(false);
            _orphansSearched = adopted == 0 ? clock.GetTimestamp() : null; // there may be more
            if (adopted > 0)
                LogAdopted(adopted, dead.Count);
        }

        if (!IsDue(_ownSearched, options.MessageDeliveryTimeout + MaxDispatchTime))
            return;
        var own = await rows.FindOwn(Id, cancellationToken).ConfigureAwait(false);
        // A message that was claimed meanwhile has another time.
        if (own.Intersect(_own).ToList() is { Count: > 0 } lost)
        {
            await rows.Release(Id, [.. lost.Select(x => x.Id)], cancellationToken).ConfigureAwait(false);
            LogLost(lost.Count);
        }

        (_own, _ownSearched) = (own, clock.GetTimestamp());
    }

    /// <summary>Makes the messages claimable that were released.</summary>
    public async Task WriteReleases(CancellationToken cancellationToken)
    {
        if (_released.IsEmpty)
            return;
        Guid[] ids = [.. _released.Keys.Where(x => _released.TryRemove(x, out _))];
        try
        {
            await rows.Release(Id, ids, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            foreach (var id in ids)
                _released[id] = true;
            throw;
        }
    }

    /// <summary>Ends this replica: any other can claim at once what it has not sent.</summary>
    public Task Retire(CancellationToken cancellationToken) =>
        _replicas.TryGetValue(Id, out var self) ? rows.Adopt([self.State], cancellationToken) : Task.CompletedTask;

    bool IsDue(long? last, TimeSpan interval) =>
        last is not { } timestamp || clock.GetElapsedTime(timestamp) >= interval;

    [LoggerMessage(Level = LogLevel.Information, Message =
        "{Count} messages of the outbox belonged to replicas that have ended, and are sent by others now. Replicas "
        + "that were silent for too long: {Dead}")]
    partial void LogAdopted(int count, int dead);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "{Count} messages were committed although the connection to the database was lost meanwhile, and are sent "
        + "now")]
    partial void LogLost(int count);

    /// <summary>A replica, and the number of rounds in which it has not counted a heartbeat.</summary>
    sealed record Replica(OutboxState State, int SilentRounds);
}
