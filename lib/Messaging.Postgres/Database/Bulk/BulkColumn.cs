using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;
using NpgsqlTypes;

namespace Messaging.Postgres.Database;

/// <summary>A column whose values for many rows are sent to the database as one array.</summary>
sealed class BulkColumn
{
    readonly Type _element;
    readonly Func<object?, object?>? _convert;
    readonly NpgsqlDbType _type;

    BulkColumn(IProperty property, string name, bool isVersion, RelationalTypeMapping mapping, NpgsqlDbType type)
    {
        (Property, Name, IsVersion, _convert, _type) =
            (property, name, isVersion, mapping.Converter?.ConvertToProvider, type);
        var stored = mapping.Converter?.ProviderClrType ?? property.ClrType;
        _element = stored.IsValueType && Nullable.GetUnderlyingType(stored) == null
            ? typeof(Nullable<>).MakeGenericType(stored) : stored;
    }

    public IProperty Property { get; }

    /// <summary>The column's name as a delimited identifier.</summary>
    public string Name { get; }

    /// <summary>Whether the column is PostgreSQL's xmin, which is never written.</summary>
    public bool IsVersion { get; }

    /// <returns>Null if the database generates the values, or cannot receive an array of them.</returns>
    public static BulkColumn? For(IProperty property, ISqlGenerationHelper quote)
    {
        if (property.GetTableColumnMappings().ToList() is not [{ Column: var column, TypeMapping: var mapping }])
            return null;
        using var command = new NpgsqlCommand();
        var type = ((NpgsqlParameter)mapping.CreateParameter(command, "p", null, nullable: true)).NpgsqlDbType;
        if (type == NpgsqlDbType.Unknown || type.HasFlag(NpgsqlDbType.Array))
            return null;
        var isVersion = column.Name == "xmin" && property.IsConcurrencyToken && property.ClrType == typeof(uint)
            && mapping.Converter == null;
        var isSetByClient = property.ValueGenerated == ValueGenerated.Never
            || property is { ValueGenerated: ValueGenerated.OnAdd } && property.ClrType == typeof(Guid)
            && property.GetDefaultValueSql() == null;
        return isVersion || isSetByClient
            ? new BulkColumn(property, quote.DelimitIdentifier(column.Name), isVersion, mapping, type) : null;
    }

    /// <summary>A parameter with the column's values in all rows.</summary>
    public NpgsqlParameter Values(IReadOnlyList<EntityEntry> rows, Func<EntityEntry, PropertyValues> values)
    {
        var array = Array.CreateInstance(_element, rows.Count);
        for (var i = 0; i < rows.Count; i++)
        {
            var value = values(rows[i])[Property];
            array.SetValue(value == null || _convert == null ? value : _convert(value), i);
        }

        return new NpgsqlParameter { Value = array, NpgsqlDbType = NpgsqlDbType.Array | _type };
    }
}
