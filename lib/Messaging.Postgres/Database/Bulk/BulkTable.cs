using System.Collections.Concurrent;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;

namespace Messaging.Postgres.Database;

/// <summary>The bulk statements of a table whose rows consist of one entity's properties.</summary>
sealed class BulkTable
{
    readonly string _name;
    readonly IReadOnlyList<BulkColumn> _columns;
    readonly IReadOnlyList<BulkColumn> _where;
    readonly string _findStale;
    readonly string _insert;
    readonly ConcurrentDictionary<string, string> _updates = new();

    BulkTable(string name, IReadOnlyList<BulkColumn> columns)
    {
        (_name, _columns) = (name, [.. columns.Where(x => !x.IsVersion)]);
        _where = [.. columns.Where(x => x.Property.IsPrimaryKey() || x.Property.IsConcurrencyToken)];
        Version = columns.FirstOrDefault(x => x.IsVersion)?.Property;
        var where = _where.Select((_, i) => $"w{i}");
        _findStale = $"""
            select n from unnest({Parameters(_where.Count)}) with ordinality as u ({string.Join(", ", where)}, n)
            where not exists (select from {name} as t where {AsRead()})
            """;
        var names = string.Join(", ", _columns.Select(x => x.Name));
        _insert = $"insert into {name} ({names}) select * from unnest({Parameters(_columns.Count)})";
    }

    /// <summary>The property that is PostgreSQL's xmin, or null.</summary>
    public IProperty? Version { get; }

    /// <returns>Null if rows of this type need more than a plain statement.</returns>
    public static BulkTable? For(IEntityType type, ISqlGenerationHelper quote)
    {
        if (type.GetTableMappings().ToList() is not [{ Table: var table }] || table.EntityTypeMappings.Count() != 1
            || !IsPlain(type))
            return null;
        var columns = type.GetProperties().Select(x => BulkColumn.For(x, quote)).ToList();
        return columns.Contains(null) ? null
            : new BulkTable(quote.DelimitIdentifier(table.Name, table.Schema), [.. columns.OfType<BulkColumn>()]);
    }

    static bool IsPlain(IEntityType type) => type.ClrType != typeof(OutboxMessage)
        && type.BaseType == null && !type.GetDirectlyDerivedTypes().Any()
        && !type.GetForeignKeys().Any() && !type.GetReferencingForeignKeys().Any()
        && !type.GetNavigations().Any() && !type.GetComplexProperties().Any()
        && type.GetInsertStoredProcedure() == null && type.GetUpdateStoredProcedure() == null;

    /// <summary>The names of the columns that an entry modifies.</summary>
    public string Modified(EntityEntry entry) => string.Join(", ", ModifiedColumns(entry).Select(x => x.Name));

    IEnumerable<BulkColumn> ModifiedColumns(EntityEntry entry) =>
        _columns.Where(x => entry.Property(x.Property).IsModified);

    public NpgsqlBatchCommand Insert(IReadOnlyList<EntityEntry> rows)
    {
        var command = new NpgsqlBatchCommand(_insert);
        foreach (var column in _columns)
            command.Parameters.Add(column.Values(rows, row => row.CurrentValues));
        return command;
    }

    /// <summary>A statement that fails, by a division by zero, if a row is not as it was read.</summary>
    /// <param name="rows">Entries that modify the same columns.</param>
    public NpgsqlBatchCommand Update(IReadOnlyList<EntityEntry> rows)
    {
        var set = ModifiedColumns(rows[0]).ToList();
        var command = new NpgsqlBatchCommand(_updates.GetOrAdd(Modified(rows[0]), _ => UpdateText(set)));
        foreach (var column in _where)
            command.Parameters.Add(column.Values(rows, row => row.OriginalValues));
        foreach (var column in set)
            command.Parameters.Add(column.Values(rows, row => row.CurrentValues));
        command.Parameters.Add(new NpgsqlParameter { Value = (long)rows.Count });
        return command;
    }

    string UpdateText(List<BulkColumn> set)
    {
        string[] names = [.. _where.Select((_, i) => $"w{i}"), .. set.Select((_, i) => $"s{i}")];
        var assignments = set.Select((x, i) => $"{x.Name} = u.s{i}");
        return $"""
            with changed as (
                update {_name} as t set {string.Join(", ", assignments)}
                from unnest({Parameters(names.Length)}) as u ({string.Join(", ", names)})
                where {AsRead()} returning 1)
            select 1 / (count(*) = ${names.Length + 1})::int from changed
            """;
    }

    /// <summary>A query of the positions, from one, of the rows that are not as they were read.</summary>
    public NpgsqlBatchCommand FindStale(IReadOnlyList<EntityEntry> rows)
    {
        var command = new NpgsqlBatchCommand(_findStale);
        foreach (var column in _where)
            command.Parameters.Add(column.Values(rows, row => row.OriginalValues));
        return command;
    }

    string AsRead() => string.Join(" and ", _where.Select((x, i) =>
        $"t.{x.Name} {(x.Property.IsNullable ? "is not distinct from" : "=")} u.w{i}"));

    static string Parameters(int count) => string.Join(", ", Enumerable.Range(1, count).Select(x => $"${x}"));
}
