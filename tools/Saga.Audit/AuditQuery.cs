using System.Runtime.CompilerServices;
using Npgsql;

namespace Saga.Audit;

/// <summary>Runs the queries of the audit.</summary>
static class AuditQuery
{
    const int TimeoutSeconds = 300;

    /// <summary>Streams the rows of a query; each row is valid until the next.</summary>
    public static async IAsyncEnumerable<NpgsqlDataReader> QueryAsync(this NpgsqlDataSource database, string sql,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(sql);
        command.CommandTimeout = TimeoutSeconds;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            yield return reader;
    }
}
