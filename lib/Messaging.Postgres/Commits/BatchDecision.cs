using Npgsql;

namespace Messaging.Postgres;

/// <summary>The decisions of an <see cref="IBatchStep{TRequest, TResult}" />.</summary>
/// <param name="Results">
/// For each request its result, or the error with which it fails alone and changes nothing.
/// </param>
/// <param name="Statements">The statements that store all decisions; they run in the round trip of the COMMIT.</param>
public sealed record BatchDecision<TResult>(
    IReadOnlyList<(TResult? Value, Exception? Error)> Results, IReadOnlyList<NpgsqlBatchCommand> Statements);
