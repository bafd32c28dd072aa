using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Database;

/// <inheritdoc cref="RecentContexts{TDbContext}" />
interface IRecentContexts
{
    /// <inheritdoc cref="RecentContexts{TDbContext}.Use" />
    Task<T> Use<T>(Func<DbContext, Task<T>> work);
}
