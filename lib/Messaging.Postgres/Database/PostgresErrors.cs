using Npgsql;

namespace Messaging.Postgres;

/// <summary>What PostgreSQL's error codes say about whose failure it is.</summary>
public static class PostgresErrors
{
    /// <summary>
    /// The server, the connection or the login is what failed, not the statement: it can pass, and another statement would have met it
    /// too. By SQLSTATE: the classes of connections (08), logins (28), catalogs (3D), resources (53), operators (57) and the
    /// system (58), and a server that has become read-only (25006), as after a failover.
    /// </summary>
    public static bool IsAboutTheServer(PostgresException error) =>
        error.SqlState[..2] is "08" or "28" or "3D" or "53" or "57" or "58" || error.SqlState == PostgresErrorCodes.ReadOnlySqlTransaction;

    /// <summary>A lock was not to be had in time.</summary>
    public static bool IsLocked(Exception error)
    {
        for (Exception? cause = error; cause != null; cause = cause.InnerException)
            if (cause is PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable })
                return true;
        return false;
    }
}
