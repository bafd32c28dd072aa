using Npgsql;

namespace Messaging.Postgres.Commits;

/// <summary>The part of a request to a batch step that does not depend on its types.</summary>
interface IBatchStepRequest
{
    /// <summary>Adds the statements that load the rows of all requests of a group.</summary>
    void Load(NpgsqlBatch batch, IEnumerable<StepRequest> group);

    /// <summary>Decides all requests of a group; their handlers are not resumed yet.</summary>
    /// <returns>The statements that store the decisions.</returns>
    Task<IReadOnlyList<NpgsqlBatchCommand>> Decide(NpgsqlDataReader rows, IReadOnlyList<StepRequest> group,
        CancellationToken cancellationToken);
}
