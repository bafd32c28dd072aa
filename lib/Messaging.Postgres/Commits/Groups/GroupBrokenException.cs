using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres;

/// <summary>The group that a unit of work commits with has failed. Nothing is committed: retry the message.</summary>
/// <remarks>
/// It has no inner exception: a retry policy would judge by that, though it may be about another unit.
/// </remarks>
public sealed class GroupBrokenException(string message) : DbUpdateConcurrencyException(message);
