using System.Collections.Concurrent;
using System.Reflection;
using MassTransit.EntityFrameworkCoreIntegration;
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
/// Tracked changes of many units as one statement for each kind of change, in place of SaveChanges, which sends one for each
/// row in a round trip of its own. For simple tables only, and where nobody listens to SaveChanges; what does not fit is saved as ever.
/// </summary>
sealed class BulkWriter<TDbContext> where TDbContext : DbContext
{
    readonly ConcurrentDictionary<IEntityType, BulkTable?> _tables = new();
    bool? _isHeard;

    /// <summary>Adds the statements, which fail if a row is not as it was read; false, and none, if an entry does not fit.</summary>
    /// <param name="batch">Runs as one transaction.</param>
    /// <param name="db">A context of the same model as the entries'.</param>
    /// <param name="entries">Added or modified, no row twice.</param>
    public bool TryAdd(NpgsqlBatch batch, TDbContext db, IReadOnlyList<EntityEntry> entries)
    {
        if (entries.Count == 0)
            return true;
        if (_isHeard ??= IsHeard(db))
            return false;
        var (tables, quote) = (new BulkTable[entries.Count], db.GetService<ISqlGenerationHelper>());
        for (var i = 0; i < entries.Count; i++)
            if (entries[i] is { State: EntityState.Added or EntityState.Modified } entry
                && _tables.GetOrAdd(entry.Metadata, x => BulkTable.For(x, quote)) is { } table)
                tables[i] = table;
            else
                return false;

        foreach (var group in entries.Zip(tables).GroupBy(x => (x.Second, Columns: x.First.State == EntityState.Added ? "" : x.Second.Modified(x.First))))
        {
            var rows = group.Select(x => x.First).ToList();
            batch.BatchCommands.Add(group.Key.Columns == "" ? group.Key.Second.Insert(rows) : group.Key.Second.Update(rows));
        }

        return true;
    }

    /// <summary>A row was not as it was read. SaveChanges can tell which: by the rows that each statement has changed.</summary>
    public static bool HasChanged(Exception error) => error is PostgresException { SqlState: PostgresErrorCodes.DivisionByZero };

    /// <summary>The version that PostgreSQL's xmin gives all rows of one transaction.</summary>
    public void SetVersion(IEnumerable<EntityEntry> entries, uint transactionId)
    {
        foreach (var entry in entries)
            if (_tables.GetValueOrDefault(entry.Metadata)?.Version is { } version)
                entry.Property(version.Name).CurrentValue = transactionId;
    }

    static readonly FieldInfo?[] Events = [.. new[] { nameof(DbContext.SavingChanges), nameof(DbContext.SavedChanges), nameof(DbContext.SaveChangesFailed) }
        .Select(x => typeof(DbContext).GetField(x, BindingFlags.Instance | BindingFlags.NonPublic))];

    /// <summary>Somebody's own SaveChanges, interceptor of it or handler of its events is to be called.</summary>
    static bool IsHeard(TDbContext db) =>
        Events.Any(x => x == null || x.GetValue(db) != null) ||
        db.GetService<IInterceptors>().Aggregate<ISaveChangesInterceptor>() is not OutboxSaveChangesInterceptor<TDbContext>
        || typeof(TDbContext).GetMethods().Any(x => x.Name is nameof(DbContext.SaveChanges) or nameof(DbContext.SaveChangesAsync)
            && x.DeclaringType != typeof(DbContext));
}

/// <summary>The statements on a table whose rows are an entity's properties and nothing else.</summary>
sealed class BulkTable
{
    readonly string _name;
    readonly IReadOnlyList<BulkColumn> _columns;
    readonly IReadOnlyList<BulkColumn> _where;
    readonly string _insert;
    readonly ConcurrentDictionary<string, string> _updates = new();

    BulkTable(string name, IReadOnlyList<BulkColumn> columns)
    {
        (_name, _columns) = (name, [.. columns.Where(x => !x.IsVersion)]);
        _where = [.. columns.Where(x => x.Property.IsPrimaryKey() || x.Property.IsConcurrencyToken)];
        Version = columns.FirstOrDefault(x => x.IsVersion)?.Property;
        _insert = $"insert into {name} ({string.Join(", ", _columns.Select(x => x.Name))}) select * from unnest({Parameters(_columns.Count)})";
    }

    /// <summary>The property that is PostgreSQL's xmin, or null.</summary>
    public IProperty? Version { get; }

    /// <returns>Null if rows of this type need more than a plain statement.</returns>
    public static BulkTable? For(IEntityType type, ISqlGenerationHelper quote)
    {
        if (type.ClrType == typeof(OutboxMessage) || type.GetTableMappings().ToList() is not [{ Table: var table }]
            || table.EntityTypeMappings.Count() != 1 || type.BaseType != null || type.GetDirectlyDerivedTypes().Any()
            || type.GetForeignKeys().Any() || type.GetReferencingForeignKeys().Any() || type.GetNavigations().Any() || type.GetComplexProperties().Any()
            || type.GetInsertStoredProcedure() != null || type.GetUpdateStoredProcedure() != null)
            return null;
        var columns = type.GetProperties().Select(x => BulkColumn.For(x, quote)).ToList();
        return columns.Contains(null) ? null : new BulkTable(quote.DelimitIdentifier(table.Name, table.Schema), [.. columns.OfType<BulkColumn>()]);
    }

    public string Modified(EntityEntry entry) => string.Join(", ", ModifiedColumns(entry).Select(x => x.Name));

    IEnumerable<BulkColumn> ModifiedColumns(EntityEntry entry) => _columns.Where(x => entry.Property(x.Property).IsModified);

    public NpgsqlBatchCommand Insert(IReadOnlyList<EntityEntry> rows)
    {
        var command = new NpgsqlBatchCommand(_insert);
        foreach (var column in _columns)
            command.Parameters.Add(column.Values(rows, row => row.CurrentValues));
        return command;
    }

    /// <summary>Fails, by a division by zero, if a row is not there as it was read.</summary>
    /// <param name="rows">All with the same modified columns.</param>
    public NpgsqlBatchCommand Update(IReadOnlyList<EntityEntry> rows)
    {
        var set = ModifiedColumns(rows[0]).ToList();
        var command = new NpgsqlBatchCommand(_updates.GetOrAdd(Modified(rows[0]), _ =>
        {
            string[] names = [.. _where.Select((_, i) => $"w{i}"), .. set.Select((_, i) => $"s{i}")];
            return $"""
                with changed as (
                    update {_name} as t set {string.Join(", ", set.Select((x, i) => $"{x.Name} = u.s{i}"))}
                    from unnest({Parameters(names.Length)}) as u ({string.Join(", ", names)})
                    where {string.Join(" and ", _where.Select((x, i) => $"t.{x.Name} {(x.Property.IsNullable ? "is not distinct from" : "=")} u.w{i}"))} returning 1)
                select 1 / (count(*) = ${names.Length + 1})::int from changed
                """;
        }));
        foreach (var column in _where)
            command.Parameters.Add(column.Values(rows, row => row.OriginalValues));
        foreach (var column in set)
            command.Parameters.Add(column.Values(rows, row => row.CurrentValues));
        command.Parameters.Add(new NpgsqlParameter { Value = (long)rows.Count });
        return command;
    }

    static string Parameters(int count) => string.Join(", ", Enumerable.Range(1, count).Select(x => $"${x}"));
}
