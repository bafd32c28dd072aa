using System.Diagnostics;
using Messaging.Postgres.Observability;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;

namespace Messaging.Postgres.Commits;

/// <summary>A unit of work that waits for its commit.</summary>
class GroupMember<TDbContext>(UnitOfWork<TDbContext> unit) where TDbContext : DbContext
{
    readonly TaskCompletionSource _committed = new();
    Exception? _error;
    volatile bool _hasEnded;
    IReadOnlyList<object>? _keys;
    IReadOnlyList<EntityEntry> _own = [];
    IReadOnlyList<object>? _unknown;

    public UnitOfWork<TDbContext> Unit => unit;

    /// <summary>The span in which the unit works; null if it is not traced.</summary>
    public Activity? Span { get; } = MessageSpans.Current;

    /// <summary>Completes when the unit is durable, or fails with the reason why it is not.</summary>
    public Task Committed => _committed.Task;

    /// <summary>The queue in which the member waits, or waited last; its loop completes the member.</summary>
    public CommitQueue<TDbContext>? Queue { get; set; }

    /// <summary>The entities that the unit has changed.</summary>
    public IReadOnlyList<EntityEntry> Changed { get; private set; } = [];

    /// <summary>The message that the unit consumes, with its consumer; empty outside a consumer.</summary>
    public IReadOnlyList<object> Message { get; } =
        unit.Consumed is { } consumed ? [(consumed.MessageId, consumed.ConsumerId)] : [];

    /// <summary>The message and the rows that no two members of a group may have in common.</summary>
    public IReadOnlyList<object> Keys => _keys ?? Message;

    /// <summary>
    /// The rows whose locks the unit needs. If they are unknown, a unique object, so that the unit shares a quarantine
    /// queue with no other unit.
    /// </summary>
    public virtual IReadOnlyList<object> Contended => Keys.Count > 0 ? Keys : _unknown ??= [new object()];

    /// <summary>Whether the outcome is known.</summary>
    public bool HasEnded => _hasEnded;

    /// <summary>Whether the unit is committed.</summary>
    public bool HasSucceeded => _hasEnded && _error == null;

    /// <summary>The detected changes of a unit whose handler has completed.</summary>
    public static IReadOnlyList<EntityEntry> FindChanges(TDbContext db)
    {
        var tracker = db.ChangeTracker;
        var detects = tracker.AutoDetectChangesEnabled;
        tracker.AutoDetectChangesEnabled = false; // otherwise Entries searches all entities for changes again
        IReadOnlyList<EntityEntry> changed = [.. tracker.Entries()
            .Where(x => x.State is EntityState.Added or EntityState.Modified or EntityState.Deleted)];
        tracker.AutoDetectChangesEnabled = detects;
        return changed;
    }

    /// <summary>
    /// Records the unit's changes. Called on the handler's own flow, because a DbContext must not be used by two flows.
    /// </summary>
    /// <param name="own">The changes before the events of SaveChanges were raised.</param>
    public void SnapshotChanges(IReadOnlyList<EntityEntry> own)
    {
        (_own, Changed) = (own, FindChanges(unit.DbContext));
        _keys = [.. Message, .. Changed.Select(RowOf)];
    }

    /// <summary>
    /// Drops what handlers of SaveChanges' events have added, because SaveChanges is going to raise the events again.
    /// </summary>
    public void DropChangesOfEvents()
    {
        foreach (var entry in Changed.ExceptBy(_own.Select(x => x.Entity), x => x.Entity,
            ReferenceEqualityComparer.Instance).Where(x => x.State == EntityState.Added))
            entry.State = EntityState.Detached;
    }

    static object RowOf(EntityEntry entry)
    {
        var key = entry.Metadata.FindPrimaryKey()!.Properties.Select(x => entry.CurrentValues[x]);
        return (entry.Metadata, string.Join('|', key));
    }

    public void Succeed() => _hasEnded = true;

    public virtual void Fail(Exception error) => (_error, _hasEnded) = (error, true);

    /// <summary>Completes <see cref="Committed" /> once the outcome is known.</summary>
    /// <param name="inline">On this thread, before the call returns; otherwise on a pool thread.</param>
    public void Complete(bool inline)
    {
        if (_hasEnded)
            TaskStarter.Complete(inline,
                () => _ = _error == null ? _committed.TrySetResult() : _committed.TrySetException(_error));
    }
}
