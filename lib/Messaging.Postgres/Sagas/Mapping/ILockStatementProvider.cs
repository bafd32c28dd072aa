using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Provides the statements that select a row and lock it until the transaction ends.</summary>
public interface ILockStatementProvider
{
    /// <summary>
    /// A statement that selects and locks one row of the entity's table by its key, which is parameter {0}.
    /// </summary>
    string GetRowLockStatement<T>(DbContext context) where T : class;

    /// <summary>A statement that selects and locks by the named properties, parameters {0}, {1} and so on.</summary>
    string GetRowLockStatement<T>(DbContext context, params string[] propertyNames) where T : class;
}
