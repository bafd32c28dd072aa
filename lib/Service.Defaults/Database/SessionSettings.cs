namespace Service.Defaults;

/// <summary>
/// The settings of every session with PostgreSQL. They are set when a connection is opened instead of by its startup
/// parameters, which connection poolers such as PgBouncer refuse or ignore.
/// </summary>
static class SessionSettings
{
    /// <summary>
    /// Settings that make PostgreSQL find rows by index. It caches query plans, and a plan made while a table was empty
    /// would scan the whole table permanently. The settings also apply to triggers and migrations; a migration that
    /// joins whole tables must reset them for itself.
    /// </summary>
    internal static readonly (string Name, string Value)[] IndexPlans =
        [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off"), ("jit", "off")];

    static readonly (string Name, string Value)[] All =
    [
        .. IndexPlans,
        // If a replica hangs in a transaction, PostgreSQL ends the transaction after 15 s and releases its locks.
        ("idle_in_transaction_session_timeout", "15s"),
        ("lock_timeout", "3s"),
        // Npgsql gives commands up (Command Timeout), which lets some take longer: migrations, for example.
        ("statement_timeout", "0"),
        // The statements of a group commit are one implicit transaction, which has the session's default level.
        ("default_transaction_isolation", "read committed"),
    ];

    /// <summary>The settings of PostgreSQL 17 and later.</summary>
    static readonly (string Name, string Value)[] Since17 = [("transaction_timeout", "0")];

    /// <summary>The statement that applies the settings.</summary>
    /// <param name="options">
    /// The options of the connection string, such as <c>-c lock_timeout=5s</c>, which take precedence.
    /// </param>
    /// <param name="server">The version of PostgreSQL.</param>
    public static string ToSql(string? options, Version server)
    {
        var settings = (server.Major >= 17 ? All.Concat(Since17) : All)
            .Where(x => options?.Contains($"{x.Name}=", StringComparison.Ordinal) != true)
            .Select(x => $"set_config('{x.Name}', '{x.Value}', false)");
        return $"select {string.Join(", ", settings)}";
    }
}
