using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Commits;

/// <summary>
/// The inbox contains the message. This is a concurrency conflict, so that the message is retried if the inbox cannot
/// be read at that moment.
/// </summary>
sealed class DuplicateMessageException() : DbUpdateConcurrencyException("The message has been consumed already");
