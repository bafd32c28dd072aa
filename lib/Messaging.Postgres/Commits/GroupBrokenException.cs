using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres;

/// <summary>The group that a unit of work committed with came apart; nothing of it is committed, and it is to be tried again.</summary>
/// <remarks>Without an inner exception: a retry policy judges by the innermost, which may be another member's.</remarks>
public sealed class GroupBrokenException(string message) : DbUpdateConcurrencyException(message);
