using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Sagas;

/// <summary>
/// A step on an instance from memory has failed or changed nothing, perhaps because the instance was stale. The message
/// must be retried with the stored instance. This is a concurrency conflict.
/// </summary>
/// <remarks>It has no inner exception: a retry policy would judge by that.</remarks>
sealed class StaleSagaException(string outcome) : DbUpdateConcurrencyException(
    $"The step on an instance that was kept in memory {outcome}; it is retried on the stored instance");
