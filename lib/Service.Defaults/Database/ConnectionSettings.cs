using Microsoft.Extensions.Configuration;
using Npgsql;

namespace Service.Defaults;

/// <summary>The settings of a service's connections to PostgreSQL.</summary>
static class ConnectionSettings
{
    /// <summary>
    /// Settings that make PostgreSQL find rows by index. It caches query plans, and a plan made while a table was empty
    /// would scan the whole table permanently. The settings also apply to triggers and migrations; a migration that
    /// joins whole tables must reset them for itself.
    /// </summary>
    internal static readonly string[] IndexPlans =
        ["enable_seqscan=off", "enable_hashjoin=off", "enable_mergejoin=off", "jit=off"];

    // If a replica hangs in a transaction, PostgreSQL ends the transaction after 15 s and releases its locks.
    const string Timeouts = "-c idle_in_transaction_session_timeout=15s -c lock_timeout=3s";

    // Without a limit, a connection could stay permanently with a server that a failover has demoted.
    const string Lifetime = "Connection Lifetime=300";

    /// <summary>Adds these settings to <c>ConnectionStrings:Database</c>, whose own options take precedence.</summary>
    /// <exception cref="InvalidOperationException">The connection string is missing.</exception>
    public static string Build(IConfiguration configuration)
    {
        var configured = configuration.GetConnectionString("Database") ?? throw new InvalidOperationException(
            "ConnectionStrings:Database is not set: it must have PostgreSQL's host, database, user and password");
        var settings = new NpgsqlConnectionStringBuilder($"{Lifetime};{configured}");

        // No session state survives a command, so a returned connection needs no reset. Npgsql's automatic preparation
        // stays off: after an interrupted batch, the client and the server can disagree about which statements are
        // prepared, and every later command fails. The outbox prepares its statements under its own names.
        settings.NoResetOnClose = true;
        var plans = string.Concat(IndexPlans.Select(x => $"-c {x} "));
        settings.Options = $"{Timeouts} {plans}{settings.Options}".TrimEnd();
        return settings.ConnectionString;
    }
}
