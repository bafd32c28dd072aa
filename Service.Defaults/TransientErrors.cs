using System.Net.Sockets;
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
                or PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.LockNotAvailable
    });

    /// <summary>The database is away, starting, stopping or full of connections.</summary>
    public static bool IsConnectionLost(Exception error) => Causes(error).Any(e => e switch
    {
        PostgresException p => p.SqlState.StartsWith("08", StringComparison.Ordinal)
            || p.SqlState.StartsWith("57P", StringComparison.Ordinal)
            || p.SqlState is PostgresErrorCodes.TooManyConnections or PostgresErrorCodes.ObjectInUse
                or PostgresErrorCodes.DuplicatePreparedStatement or PostgresErrorCodes.InvalidSqlStatementName,
        NpgsqlException or SocketException or TimeoutException or EndOfStreamException => true,
        _ => false,
    });

    /// <summary>The unique key that was violated, or null.</summary>
    public static string? ViolatedKey(Exception error) =>
        Causes(error).OfType<PostgresException>().FirstOrDefault(e => e.SqlState == PostgresErrorCodes.UniqueViolation)?.ConstraintName;

    static IEnumerable<Exception> Causes(Exception? error)
    {
        for (; error != null; error = error.InnerException)
            yield return error;
    }
}
