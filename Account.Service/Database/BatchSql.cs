using Npgsql;

namespace Accounts;

/// <summary>Makes the commands of a batch.</summary>
static class BatchSql
{
    /// <summary>A command with positional parameters; a value that is a parameter is taken as it is.</summary>
    public static NpgsqlBatchCommand Command(string text, params object[] values)
    {
        var command = new NpgsqlBatchCommand(text);
        foreach (var value in values)
            command.Parameters.Add(value as NpgsqlParameter ?? new NpgsqlParameter { Value = value });
        return command;
    }
}
