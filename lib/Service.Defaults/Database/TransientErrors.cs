using System.Net.Sockets;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Service.Defaults;

/// <summary>Tells failures that can pass from those that cannot.</summary>
public static class TransientErrors
{
    /// <summary>
    /// Another transaction was in the way: a row changed since it was read, a key was inserted by another, a deadlock
    /// was broken. Doing it again, from the start, decides it.
    /// </summary>
    public static bool IsConflict(Exception error) => Causes(error).Any(e => e is DbUpdateConcurrencyException
        or PostgresException
    {
        SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected
                or PostgresErrorCodes.UniqueViolation
    });

    /// <summary>
    /// The database is away, starting, stopping, read-only, out of connections, memory or disk, told to end the statement, or a lock
    /// in it is held for long; or a connection's prepared statement is gone, or a migration has changed what it returns, which each
    /// connection meets by itself.
    /// </summary>
    public static bool IsUnavailable(Exception error) => Causes(error).Any(e => e switch
    {
        PostgresException p => PostgresErrors.IsAboutTheServer(p) || p.SqlState is IdleInTransaction or PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.ObjectInUse
                or PostgresErrorCodes.DuplicatePreparedStatement or PostgresErrorCodes.InvalidSqlStatementName
            || p is { SqlState: PostgresErrorCodes.FeatureNotSupported, Routine: "RevalidateCachedQuery" },
        NpgsqlException or SocketException or TimeoutException or EndOfStreamException => true,
        _ => false,
    });

    /// <summary>The unique key that was violated, or null.</summary>
    public static string? ViolatedKey(Exception error) =>
        Causes(error).OfType<PostgresException>().FirstOrDefault(e => e.SqlState == PostgresErrorCodes.UniqueViolation)?.ConstraintName;

    const string IdleInTransaction = "25P03";

    static IEnumerable<Exception> Causes(Exception? error)
    {
        for (; error != null; error = error.InnerException)
            yield return error;
    }
}
