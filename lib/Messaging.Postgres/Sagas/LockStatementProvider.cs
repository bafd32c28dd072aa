using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Says how a row is selected and locked until the transaction ends.</summary>
public interface ILockStatementProvider
{
    /// <summary>A statement that selects and locks one row of the entity's table by its key, parameter {0}.</summary>
    string GetRowLockStatement<T>(DbContext context) where T : class;

    /// <summary>A statement that selects and locks by the named properties, parameters {0}, {1} and so on.</summary>
    string GetRowLockStatement<T>(DbContext context, params string[] propertyNames) where T : class;
}

/// <summary>Locks by SELECT … FOR UPDATE, with the table and column names of the model.</summary>
public class PostgresLockStatementProvider : ILockStatementProvider
{
    readonly string? _schema;

    /// <summary>Takes the schema from the model.</summary>
    public PostgresLockStatementProvider(bool enableSchemaCaching = true)
    {
    }

    /// <summary>Uses this schema for tables whose model names none.</summary>
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
        var where = propertyNames.Select((name, i) =>
            $"{quote.DelimitIdentifier(entity.FindProperty(name)!.GetColumnName(table)!)} = {{{i}}}");

        // xmin is a system column, which * leaves out and a row version needs.
        return $"select *, xmin from {quote.DelimitIdentifier(table.Name, table.Schema ?? _schema)} where {string.Join(" and ", where)} for update";
    }
}
