using Npgsql;

namespace Saga.Twin;

/// <summary>Connects to a role's database, and builds statements.</summary>
static class Postgres
{
    /// <summary>The SQL that creates the tables of both roles.</summary>
    public const string CommonSchema = """
        create table inbox (message_id uuid primary key);
        create table outbox (
            message_id uuid primary key,
            inbox_message_id uuid, -- the message whose handling produced this one; null for a gRPC call
            queue text not null,
            body bytea not null);
        """;

    // Prepared statements keep their plans. A plan from the time when the tables were empty must use the indexes too.
    const string IndexPlans = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off";

    /// <summary>Creates a pool of connections that prepare repeated statements.</summary>
    public static NpgsqlDataSource Connect(string connectionString) =>
        NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString)
        {
            MaxAutoPrepare = 20,
            AutoPrepareMinUsages = 2,
            NoResetOnClose = true, // no session state survives a statement
            Options = IndexPlans,
        });

    /// <summary>A statement with positional parameters, whose types follow from the values.</summary>
    public static NpgsqlBatchCommand Statement(string sql, params object[] values)
    {
        var statement = new NpgsqlBatchCommand(sql);
        foreach (var value in values)
            statement.Parameters.Add(new NpgsqlParameter { Value = value });
        return statement;
    }
}
