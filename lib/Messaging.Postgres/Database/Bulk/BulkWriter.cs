using System.Collections.Concurrent;
using System.Reflection;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;

namespace Messaging.Postgres.Database;

/// <summary>
/// Writes the tracked changes of many units as one statement per table and kind of change. SaveChanges would send one
/// statement per row, in an additional round trip.
/// </summary>
/// <remarks>
/// Only for simple tables, and only if no user code observes SaveChanges; everything else is saved by SaveChanges.
/// </remarks>
sealed class BulkWriter<TDbContext> where TDbContext : DbContext
{
    static readonly string[] SaveChangesEvents =
        [nameof(DbContext.SavingChanges), nameof(DbContext.SavedChanges), nameof(DbContext.SaveChangesFailed)];

    static readonly FieldInfo?[] EventFields =
        [.. SaveChangesEvents.Select(x => typeof(DbContext)
            .GetField(x, BindingFlags.Instance | BindingFlags.NonPublic))];

    readonly ConcurrentDictionary<IEntityType, BulkTable?> _tables = new();
    bool? _isObserved;

    /// <summary>Adds the statements, which fail if a row is not as it was read.</summary>
    /// <param name="batch">Runs as one transaction.</param>
    /// <param name="db">A context with the entries' model.</param>
    /// <param name="entries">The changed entities; no row twice.</param>
    /// <returns>False, and nothing is added, if an entry does not fit.</returns>
    public bool TryAdd(NpgsqlBatch batch, TDbContext db, IReadOnlyList<EntityEntry> entries)
    {
        if (Group(db, entries) is not { } groups)
            return false;
        foreach (var (table, rows) in groups)
            batch.BatchCommands.Add(rows[0].State == EntityState.Added ? table.Insert(rows) : table.Update(rows));
        return true;
    }

    /// <summary>Finds the modified entries whose rows are not as they were read, or are gone.</summary>
    /// <param name="db">A context with the entries' model and an open connection.</param>
    /// <param name="entries">The changed entities, which fit.</param>
    public async Task<IReadOnlySet<EntityEntry>> FindStaleAsync(TDbContext db, IReadOnlyList<EntityEntry> entries)
    {
        var stale = new HashSet<EntityEntry>();
        foreach (var (table, rows) in Group(db, [.. entries.Where(x => x.State == EntityState.Modified)]) ?? [])
        {
            await using var batch = new NpgsqlBatch((NpgsqlConnection)db.Database.GetDbConnection());
            batch.BatchCommands.Add(table.FindStale(rows));
            await using var found = await batch.ExecuteReaderAsync().ConfigureAwait(false);
            while (await found.ReadAsync().ConfigureAwait(false))
                stale.Add(rows[(int)found.GetInt64(0) - 1]);
        }

        return stale;
    }

    /// <summary>Groups entries by the statement that writes them; null if one does not fit.</summary>
    List<(BulkTable Table, List<EntityEntry> Rows)>? Group(TDbContext db, IReadOnlyList<EntityEntry> entries)
    {
        if (entries.Count == 0)
            return [];
        if (_isObserved ??= IsObserved(db))
            return null;
        var (tables, quote) = (new BulkTable[entries.Count], db.GetService<ISqlGenerationHelper>());
        for (var i = 0; i < entries.Count; i++)
            if (entries[i] is { State: EntityState.Added or EntityState.Modified } entry
                && _tables.GetOrAdd(entry.Metadata, x => BulkTable.For(x, quote)) is { } table)
                tables[i] = table;
            else
                return null;

        return [.. entries.Zip(tables)
            .GroupBy(x => (Table: x.Second, Columns: ModifiedColumns(x.First, x.Second)))
            .Select(x => (x.Key.Table, x.Select(row => row.First).ToList()))];

        static string ModifiedColumns(EntityEntry entry, BulkTable table) =>
            entry.State == EntityState.Added ? "" : table.Modified(entry);
    }

    /// <summary>Sets the version that PostgreSQL's xmin has in all rows of a transaction.</summary>
    public void SetVersion(IEnumerable<EntityEntry> entries, uint transactionId)
    {
        foreach (var entry in entries)
            if (_tables.GetValueOrDefault(entry.Metadata)?.Version is { } version)
                entry.Property(version.Name).CurrentValue = transactionId;
    }

    /// <summary>Whether user code overrides SaveChanges, intercepts it or handles its events.</summary>
    static bool IsObserved(TDbContext db) =>
        EventFields.Any(x => x == null || x.GetValue(db) != null)
        || db.GetService<IInterceptors>()
            .Aggregate<ISaveChangesInterceptor>() is not OutboxSaveChangesInterceptor<TDbContext>
        || typeof(TDbContext).GetMethods()
            .Any(x => x.Name is nameof(DbContext.SaveChanges) or nameof(DbContext.SaveChangesAsync)
            && x.DeclaringType != typeof(DbContext));
}
