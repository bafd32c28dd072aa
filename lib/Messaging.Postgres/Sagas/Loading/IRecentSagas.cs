using Microsoft.EntityFrameworkCore.ChangeTracking;

namespace Messaging.Postgres.Sagas;

/// <inheritdoc cref="RecentSagas{TSaga}" />
interface IRecentSagas
{
    /// <summary>
    /// Keeps a copy of an instance that was inserted and committed, with its version in the database.
    /// </summary>
    void Keep(EntityEntry inserted);
}
