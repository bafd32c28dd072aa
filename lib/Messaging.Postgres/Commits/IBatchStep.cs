using Npgsql;

namespace Messaging.Postgres;

/// <summary>
/// A step that is taken once for all units of work that commit together: one load, one lock for each row, one set of
/// statements, however many requests there are. The statements' texts are always the same few, for they may be prepared.
/// </summary>
public interface IBatchStep<TRequest, TResult>
{
    /// <summary>Adds the statements that lock and load what the requests are about.</summary>
    void Load(NpgsqlBatch batch, IReadOnlyList<TRequest> requests);

    /// <summary>The key of the row that it locks for the request: requests that have to wait for it do so together, and no others do.</summary>
    object RowOf(TRequest request);

    /// <summary>Decides the requests in the order they came, on the rows as they are under the locks.</summary>
    /// <param name="rows">The results of what <see cref="Load" /> added, at the first of them.</param>
    /// <param name="requests">Those that are no repeats: all or some of the loaded ones.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<BatchDecision<TResult>> Decide(NpgsqlDataReader rows, IReadOnlyList<TRequest> requests, CancellationToken cancellationToken);
}

/// <summary>What a <see cref="IBatchStep{TRequest, TResult}" /> has decided.</summary>
/// <param name="Results">One for each request: its result, or why it alone has failed and changes nothing.</param>
/// <param name="Statements">Store all of it; run in the transaction's last round trip.</param>
public sealed record BatchDecision<TResult>(IReadOnlyList<(TResult? Value, Exception? Error)> Results, IReadOnlyList<NpgsqlBatchCommand> Statements);
