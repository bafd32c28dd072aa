using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Sagas;

/// <summary>
/// A step on a cached instance has failed or changed nothing, perhaps because the instance was stale. The message
/// must be retried with the stored instance. This is a concurrency conflict.
/// </summary>
/// <remarks>It has no inner exception, because a retry policy could match that one instead.</remarks>
sealed class StaleSagaException(string outcome) : DbUpdateConcurrencyException(
    $"The step on a cached saga instance {outcome}; it is retried on the stored instance");
