using Microsoft.Extensions.Configuration;
using Npgsql;

namespace Service.Defaults;

/// <summary>
/// Gives the roles that do not own a database their rights: <c>Database:RuntimeRole</c>, with which the service runs,
/// and <c>Database:ReaderRole</c>, with which operators and auditors read.
/// </summary>
static class DatabaseRoles
{
    const string Runtime = "Database:RuntimeRole", Reader = "Database:ReaderRole";

    /// <summary>
    /// Grants the rights of database_roles.sql, and those of runtime_rights.sql in the service's assembly. Does nothing
    /// if no role is configured: one login then owns the database and runs the service.
    /// </summary>
    /// <param name="connection">A connection of the owner.</param>
    /// <param name="configuration">Names the roles.</param>
    /// <param name="cancellationToken">Cancels the grants.</param>
    /// <exception cref="StartException">Only one role is configured, or a role does not exist.</exception>
    public static async Task GrantAsync<TDbContext>(
        NpgsqlConnection connection, IConfiguration configuration, CancellationToken cancellationToken)
    {
        var (runtime, reader) = (configuration[Runtime] ?? "", configuration[Reader] ?? "");
        if (runtime == "" && reader == "")
            return;
        if (runtime == "" || reader == "")
            throw new StartException($"Only one of {Runtime} and {Reader} is set: set both, or neither");
        try
        {
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await using var find = new NpgsqlCommand(
                "select quote_ident(current_database()), quote_ident(current_schema()), quote_ident($1), "
                + "quote_ident($2)", connection)
            {
                Parameters = { new() { Value = runtime }, new() { Value = reader } },
            };
            string sql;
            await using (var row = await find.ExecuteReaderAsync(cancellationToken))
            {
                await row.ReadAsync(cancellationToken);
                sql = (EmbeddedFile.Read<StartException>("database_roles.sql")
                        + EmbeddedFile.Read<TDbContext>("runtime_rights.sql"))
                    .Replace("{database}", row.GetString(0), StringComparison.Ordinal)
                    .Replace("{schema}", row.GetString(1), StringComparison.Ordinal)
                    .Replace("{runtime}", row.GetString(2), StringComparison.Ordinal)
                    .Replace("{reader}", row.GetString(3), StringComparison.Ordinal);
            }

            await using var grant = new NpgsqlCommand(sql, connection);
            await grant.ExecuteNonQueryAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UndefinedObject)
        {
            throw new StartException($"{e.MessageText}. Create the roles of {Runtime} and {Reader} with logins of "
                + "their own; --migrate gives them their rights");
        }
    }
}
