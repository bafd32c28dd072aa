using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;

namespace Messaging.Postgres.Commits;

/// <summary>A <see cref="UnitOfWork{TDbContext}" /> that waits for its commit.</summary>
sealed class UnitMember<TDbContext>(UnitOfWork<TDbContext> unit, StepRequest? request = null) : GroupMember(request)
    where TDbContext : DbContext
{
    IReadOnlyList<object>? _keys;
    IReadOnlyList<EntityEntry> _own = [];

    public UnitOfWork<TDbContext> Unit => unit;

    /// <summary>The entities that the unit has changed.</summary>
    public IReadOnlyList<EntityEntry> Changed { get; private set; } = [];

    public override IReadOnlyList<object> Message { get; } =
        unit.Consumed is { } consumed ? [(consumed.MessageId, consumed.ConsumerId)] : [];

    public override IReadOnlyList<object> Keys => _keys ?? Message;

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
}
