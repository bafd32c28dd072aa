using Npgsql;

namespace Messaging.Postgres.Commits;

/// <summary>A request to an <see cref="IBatchStep{TRequest, TResult}" />.</summary>
sealed class BatchStepRequest<TRequest, TResult>(IBatchStep<TRequest, TResult> step, TRequest request)
    : StepRequest<TResult>(step, step.RowOf(request), TaskStarter.RunOnPool), IBatchStepRequest
{
    TRequest Request => request;

    public void Load(NpgsqlBatch batch, IEnumerable<StepRequest> group) =>
        step.Load(batch, [.. group.Select(x => Typed(x).Request)]);

    public async Task<IReadOnlyList<NpgsqlBatchCommand>> Decide(NpgsqlDataReader rows,
        IReadOnlyList<StepRequest> group, CancellationToken cancellationToken)
    {
        var decision = await step.Decide(rows, [.. group.Select(x => Typed(x).Request)], cancellationToken)
            .ConfigureAwait(false);
        for (var i = 0; i < group.Count; i++)
            Typed(group[i]).Result = decision.Results[i];
        return decision.Statements;
    }

    static BatchStepRequest<TRequest, TResult> Typed(StepRequest request) =>
        (BatchStepRequest<TRequest, TResult>)request;
}
