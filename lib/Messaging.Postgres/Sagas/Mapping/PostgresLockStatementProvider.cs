using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Locks with SELECT … FOR UPDATE, with the table and column names of the model.</summary>
public class PostgresLockStatementProvider : ILockStatementProvider
{
    readonly string? _schema;

    /// <summary>Uses the schema of the model.</summary>
    public PostgresLockStatementProvider(bool enableSchemaCaching = true)
    {
    }

    /// <summary>Uses this schema for tables whose model has none.</summary>
    public PostgresLockStatementProvider(string schemaName, bool enableSchemaCaching = true) =>
        _schema = schemaName ?? throw new ArgumentNullException(nameof(schemaName));

    /// <inheritdoc />
    public string GetRowLockStatement<T>(DbContext context) where T : class =>
        GetRowLockStatement<T>(context, nameof(ISaga.CorrelationId));

    /// <inheritdoc />
    public string GetRowLockStatement<T>(DbContext context, params string[] propertyNames) where T : class
    {
        ArgumentNullException.ThrowIfNull(context);
        var entity = context.Model.FindEntityType(typeof(T))
            ?? throw new InvalidOperationException($"{typeof(T).Name} is not in the model of {context.GetType().Name}");
        var table = StoreObjectIdentifier.Table(entity.GetTableName()!, entity.GetSchema());
        var quote = context.GetService<ISqlGenerationHelper>();
        var where = propertyNames.Select((property, i) =>
            $"{quote.DelimitIdentifier(entity.FindProperty(property)!.GetColumnName(table)!)} = {{{i}}}");

        // xmin is a system column: * does not include it, and a row version needs it.
        var name = quote.DelimitIdentifier(table.Name, table.Schema ?? _schema);
        return $"select *, xmin from {name} where {string.Join(" and ", where)} for update";
    }
}
