using System.Net.Sockets;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Messaging.Postgres;

/// <summary>The one place that classifies the errors of PostgreSQL and of the connection to it.</summary>
/// <remarks>
/// <code>
/// error                                                IsUnavailable  IsConflict  IsLockTimeout  MayConcernOneUnit
/// server, connection or login (SQLSTATE 08, 28, 3D,          yes          –             –             –
///   53, 57, 58, 25006), timeout, name not resolved
/// lock_timeout (55P03)                                       yes          –            yes           yes
/// serialization failure, deadlock, unique violation,          –          yes            –            yes
///   row changed since it was read
/// transaction ended by the server (25P03, 25P04),            yes          –             –            yes
///   statement_timeout (57014)
/// object in use (55006), prepared statement unknown,         yes          –             –            yes
///   known twice or changed (26000, 42P05, 0A000)
/// any other                                                   –           –             –            yes
/// </code>
/// </remarks>
public static class PostgresErrors
{
    /// <summary>The SQLSTATE with which a warm-up rolls its transaction back.</summary>
    internal const string WarmUpRollback = "WU000";

    const string IdleInTransactionTimeout = "25P03", TransactionTimeout = "25P04";

    /// <summary>
    /// Whether the database, the connection or a lock is unavailable, which passes without a change of the statement.
    /// Retry until it is available. False for a <see cref="FalseOutageException" />.
    /// </summary>
    public static bool IsUnavailable(Exception error) =>
        !Causes(error).Any(x => x is FalseOutageException) && Causes(error).Any(LooksUnavailable);

    /// <summary>
    /// Whether the error looks like an outage, but no server says so: a handler can cause it, for example by a call of
    /// another system, or by a statement that always takes too long.
    /// </summary>
    internal static bool MayBeFalseOutage(Exception error) => IsUnavailable(error)
        && !Causes(error).Any(x => x is PostgresException { SqlState: not PostgresErrorCodes.QueryCanceled });

    static bool LooksUnavailable(Exception error) => error switch
    {
        PostgresException { SqlState: PostgresErrorCodes.FeatureNotSupported } p =>
            p.Routine == "RevalidateCachedQuery",
        PostgresException p => IsServerError(p) || p.SqlState is IdleInTransactionTimeout or TransactionTimeout
            or PostgresErrorCodes.QueryCanceled or PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.ObjectInUse
            or PostgresErrorCodes.DuplicatePreparedStatement or PostgresErrorCodes.InvalidSqlStatementName,
        NpgsqlException or SocketException or TimeoutException or EndOfStreamException => true,
        _ => false,
    };

    /// <summary>
    /// Whether the connection was lost, or ended by the server (SQLSTATE 08, 57P). It is unknown whether the server has
    /// run the command. A new connection may work at once.
    /// </summary>
    public static bool IsConnectionLost(Exception error) => Causes(error).Any(x => x switch
    {
        PostgresException p => p.SqlState.StartsWith("08", StringComparison.Ordinal)
            || p.SqlState.StartsWith("57P", StringComparison.Ordinal),
        NpgsqlException { InnerException: IOException or SocketException } => true,
        _ => false,
    });

    /// <summary>
    /// Whether a concurrent transaction was the reason: a row has changed since it was read, a key was inserted, a
    /// deadlock was resolved. Retry from the start.
    /// </summary>
    public static bool IsConflict(Exception error) => Causes(error).Any(x => x is DbUpdateConcurrencyException
        or PostgresException
    {
        SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected
                or PostgresErrorCodes.UniqueViolation
    });

    /// <summary>Whether a lock was not acquired within <c>lock_timeout</c>.</summary>
    public static bool IsLockTimeout(Exception error) =>
        Causes(error).Any(x => x is PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable });

    /// <summary>
    /// Whether the server accepts no writes, because a failover has demoted it: other connections to it must be closed.
    /// </summary>
    internal static bool IsReadOnly(Exception error) =>
        Causes(error).Any(x => x is PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction });

    /// <summary>The name of the unique constraint that was violated, or null.</summary>
    public static string? ViolatedConstraint(Exception error) => Causes(error).OfType<PostgresException>()
        .FirstOrDefault(x => x.SqlState == PostgresErrorCodes.UniqueViolation)?.ConstraintName;

    /// <summary>
    /// Whether a single unit of a group may have caused the failure, so that the others can be committed without it:
    /// the database has rejected a statement, or a value could not be sent. A lost connection concerns the whole group.
    /// </summary>
    internal static bool MayConcernOneUnit(Exception error)
    {
        foreach (var cause in Causes(error))
            switch (cause)
            {
                case NpgsqlException:
                    return cause is PostgresException rejected && !IsServerError(rejected);
                // Npgsql does not wrap the error of a name that cannot be resolved.
                case SocketException or TimeoutException or EndOfStreamException:
                    return false;
            }

        return true;
    }

    /// <summary>
    /// Whether a bulk update found a row changed: its statement divides by zero then. SaveChanges can tell which row.
    /// </summary>
    internal static bool IsStaleBulkUpdate(Exception error) =>
        error is PostgresException { SqlState: PostgresErrorCodes.DivisionByZero };

    /// <summary>Whether a row with the same key exists in a table.</summary>
    internal static bool IsDuplicateKey(Exception error, string? table) =>
        error is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation } rejected
            && rejected.TableName == table;

    /// <summary>Whether a warm-up has rolled its transaction back, as intended.</summary>
    internal static bool IsWarmUpRollback(Exception error) => error is PostgresException { SqlState: WarmUpRollback };

    /// <summary>
    /// Whether the server, the connection or the login has failed instead of the statement. By class of SQLSTATE:
    /// connections (08), logins (28), catalogs (3D), resources (53), operator intervention (57, but not a statement's
    /// timeout), system (58), and a server that is read-only since a failover (25006).
    /// </summary>
    static bool IsServerError(PostgresException error) => error.SqlState != PostgresErrorCodes.QueryCanceled
        && (error.SqlState[..2] is "08" or "28" or "3D" or "53" or "57" or "58"
            || error.SqlState == PostgresErrorCodes.ReadOnlySqlTransaction);

    static IEnumerable<Exception> Causes(Exception? error)
    {
        for (; error != null; error = error.InnerException)
            yield return error;
    }
}
