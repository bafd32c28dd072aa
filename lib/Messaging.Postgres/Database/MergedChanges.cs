using Messaging.Postgres.Commits;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;

namespace Messaging.Postgres.Database;

/// <summary>The tracked changes of several units, copied to one DbContext that saves them together.</summary>
sealed class MergedChanges<TDbContext> where TDbContext : DbContext
{
    readonly TDbContext _db;
    readonly List<(EntityEntry Own, EntityEntry Copy)> _entries = [];
    readonly Dictionary<object, GroupMember<TDbContext>> _owners = new(ReferenceEqualityComparer.Instance);

    /// <exception cref="InvalidOperationException">Two units track the same row.</exception>
    public MergedChanges(TDbContext db, IReadOnlyList<GroupMember<TDbContext>> members)
    {
        _db = db;
        db.Database.AutoSavepointsEnabled = false;
        db.ChangeTracker.AutoDetectChangesEnabled = false;
        foreach (var member in members)
            foreach (var entry in member.Changed)
            {
                _owners.Add(entry.Entity, member);
                _entries.Add((entry, Copy(entry)));
            }
    }

    public bool IsEmpty => _entries.Count == 0;

    /// <summary>The members that own the entries.</summary>
    public IReadOnlyCollection<GroupMember<TDbContext>> OwnersOf(IReadOnlyList<EntityEntry> entries) =>
        entries.Select(x => _owners.GetValueOrDefault(x.Entity)).OfType<GroupMember<TDbContext>>().ToHashSet();

    EntityEntry Copy(EntityEntry own)
    {
        var copy = _db.Entry(own.Entity);
        if (own.State == EntityState.Added)
        {
            copy.State = EntityState.Added;
            foreach (var shadow in own.Properties.Where(x => x.Metadata.IsShadowProperty() && !x.IsTemporary))
                copy.Property(shadow.Metadata.Name).CurrentValue = shadow.CurrentValue;
            return copy;
        }

        copy.State = EntityState.Unchanged;
        foreach (var shadow in own.Properties.Where(x => x.Metadata.IsShadowProperty()))
            copy.Property(shadow.Metadata.Name).CurrentValue = shadow.CurrentValue;
        copy.OriginalValues.SetValues(own.OriginalValues);
        if (own.State == EntityState.Deleted)
            copy.State = EntityState.Deleted;
        else
            foreach (var property in own.Properties.Where(x => x.IsModified))
                copy.Property(property.Metadata.Name).IsModified = true;
        return copy;
    }

    /// <summary>
    /// After the commit: copies the values that the database has generated, such as keys, to the units' own contexts.
    /// </summary>
    public void Accept()
    {
        _db.ChangeTracker.AcceptAllChanges();
        foreach (var (before, copy) in _entries)
        {
            var own = before;
            if (own.State == EntityState.Added && own.Properties.Any(x => x.IsTemporary))
            {
                own.State = EntityState.Detached; // its key was temporary
                own = own.Context.Entry(own.Entity);
                own.State = EntityState.Unchanged;
            }

            if (own.State != EntityState.Deleted)
                foreach (var property in own.Properties.Where(x => x.Metadata.IsShadowProperty()))
                    property.CurrentValue = copy.Property(property.Metadata.Name).CurrentValue;
        }
    }
}
