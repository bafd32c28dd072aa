using System.Collections.Concurrent;
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
/// <remarks>Only for simple tables, and only if no user code overrides or intercepts SaveChanges.</remarks>
sealed class BulkWriter<TDbContext> where TDbContext : DbContext
{
    static readonly bool IsOverridden = typeof(TDbContext).GetMethods().Any(x =>
        x.Name is nameof(DbContext.SaveChanges) or nameof(DbContext.SaveChangesAsync)
        && x.DeclaringType != typeof(DbContext));

    readonly ConcurrentDictionary<IEntityType, BulkTable?> _tables = new();

    /// <summary>Whether no user code overrides or intercepts SaveChanges.</summary>
    public static bool CanWriteFor(TDbContext db) => !IsOverridden
        && db.GetService<IInterceptors>().Aggregate<ISaveChangesInterceptor>()
            is OutboxSaveChangesInterceptor<TDbContext>;

    /// <summary>Whether all entries are insertions and updates of simple tables.</summary>
    /// <param name="db">A context with the entries' model.</param>
    /// <param name="entries">The changed entities.</param>
    public bool Fits(TDbContext db, IReadOnlyList<EntityEntry> entries) => entries.All(entry =>
        entry.State is EntityState.Added or EntityState.Modified
        && _tables.GetOrAdd(entry.Metadata, x => BulkTable.For(x, db.GetService<ISqlGenerationHelper>())) != null);

    /// <summary>The statements that write the entries, and fail if a row is not as it was read.</summary>
    /// <param name="entries">The changed entities, which fit; no row twice.</param>
    public IEnumerable<NpgsqlBatchCommand> Statements(IEnumerable<EntityEntry> entries) => Group(entries)
        .Select(x => x.Rows[0].State == EntityState.Added ? x.Table.Insert(x.Rows) : x.Table.Update(x.Rows));

    /// <summary>Finds the modified entries whose rows are not as they were read, or are gone.</summary>
    /// <param name="db">A context with the entries' model and an open connection.</param>
    /// <param name="entries">The changed entities, which fit.</param>
    public async Task<IReadOnlySet<EntityEntry>> FindStaleAsync(TDbContext db, IEnumerable<EntityEntry> entries)
    {
        var stale = new HashSet<EntityEntry>();
        foreach (var (table, rows) in Group(entries.Where(x => x.State == EntityState.Modified)))
        {
            await using var batch = new NpgsqlBatch((NpgsqlConnection)db.Database.GetDbConnection());
            batch.BatchCommands.Add(table.FindStale(rows));
            await using var found = await batch.ExecuteReaderAsync().ConfigureAwait(false);
            while (await found.ReadAsync().ConfigureAwait(false))
                stale.Add(rows[(int)found.GetInt64(0) - 1]);
        }

        return stale;
    }

    /// <summary>Groups entries by the statement that writes them.</summary>
    List<(BulkTable Table, List<EntityEntry> Rows)> Group(IEnumerable<EntityEntry> entries)
    {
        return [.. entries
            .GroupBy(x => (Table: _tables[x.Metadata]!, Columns: ModifiedColumns(x)))
            .Select(x => (x.Key.Table, x.ToList()))];

        string ModifiedColumns(EntityEntry entry) =>
            entry.State == EntityState.Added ? "" : _tables[entry.Metadata]!.Modified(entry);
    }

    /// <summary>Sets the version that PostgreSQL's xmin has in all rows of a transaction.</summary>
    public void SetVersion(IEnumerable<EntityEntry> entries, uint transactionId)
    {
        foreach (var entry in entries)
            if (_tables[entry.Metadata]!.Version is { } version)
                entry.Property(version.Name).CurrentValue = transactionId;
    }
}
