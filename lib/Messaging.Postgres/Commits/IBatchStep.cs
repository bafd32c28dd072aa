using Npgsql;

namespace Messaging.Postgres;

/// <summary>
/// A step that runs once for all units of work that commit together: one load, one lock per row and one set of
/// statements for any number of requests. Its SQL texts must not vary, because statements may be prepared.
/// </summary>
public interface IBatchStep<TRequest, TResult>
{
    /// <summary>Adds the statements that lock and load the rows of the requests.</summary>
    void Load(NpgsqlBatch batch, IReadOnlyList<TRequest> requests);

    /// <summary>
    /// The key of the row that the request locks. Requests that have to wait for a locked row wait with those for the
    /// same row, and delay no others.
    /// </summary>
    object RowOf(TRequest request);

    /// <summary>Decides the requests in order, on the rows as they are under the locks.</summary>
    /// <param name="rows">The results of the statements that <see cref="Load" /> added, at the first of them.</param>
    /// <param name="requests">The loaded requests, without those of duplicate messages.</param>
    /// <param name="cancellationToken">Cancels the reads.</param>
    Task<BatchDecision<TResult>> Decide(NpgsqlDataReader rows, IReadOnlyList<TRequest> requests,
        CancellationToken cancellationToken);
}
