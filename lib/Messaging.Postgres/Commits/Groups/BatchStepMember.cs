using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Messaging.Postgres.Commits;

/// <summary>A unit of work whose handler waits for the decision of a batch step before it can complete.</summary>
abstract class BatchStepMember<TDbContext>(UnitOfWork<TDbContext> unit) : GroupMember<TDbContext>(unit)
    where TDbContext : DbContext
{
    readonly TaskCompletionSource<bool> _handler = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The step; members of one group have the same.</summary>
    public abstract object Step { get; }

    /// <summary>
    /// True when the handler has completed and the unit can be committed; false when the handler has failed.
    /// </summary>
    public Task<bool> Handler => _handler.Task;

    public void HandlerCompleted() => _handler.TrySetResult(true);

    public void HandlerFailed() => _handler.TrySetResult(false);

    /// <summary>Adds the statements that load the rows of all requests.</summary>
    public abstract void Load(NpgsqlBatch batch, IReadOnlyList<BatchStepMember<TDbContext>> group);

    /// <summary>Decides the requests of all members; their handlers are not resumed yet.</summary>
    /// <returns>The statements that store the decisions, and the members whose request alone has failed.</returns>
    public abstract Task<(IReadOnlyList<NpgsqlBatchCommand> Statements,
        IReadOnlyList<BatchStepMember<TDbContext>> Failed)> Decide(NpgsqlDataReader rows,
        IReadOnlyList<BatchStepMember<TDbContext>> members, CancellationToken cancellationToken);

    /// <summary>Resumes the handler with its result.</summary>
    /// <inheritdoc cref="GroupMember{TDbContext}.Complete" path="/param" />
    public abstract void Resume(bool inline);
}

/// <inheritdoc cref="BatchStepMember{TDbContext}" />
sealed class BatchStepMember<TDbContext, TRequest, TResult>(UnitOfWork<TDbContext> unit,
    IBatchStep<TRequest, TResult> step, TRequest request)
    : BatchStepMember<TDbContext>(unit)
    where TDbContext : DbContext
{
    readonly TaskCompletionSource<TResult> _decision = new();
    (TResult? Value, Exception? Error) _result;

    public override object Step => step;

    public override IReadOnlyList<object> Contended { get; } = [(step, step.RowOf(request))];

    /// <summary>The result for this request.</summary>
    public Task<TResult> Decision => _decision.Task;

    TRequest Request => request;

    public override void Load(NpgsqlBatch batch, IReadOnlyList<BatchStepMember<TDbContext>> group) =>
        step.Load(batch, Requests(group));

    public override async Task<(IReadOnlyList<NpgsqlBatchCommand>, IReadOnlyList<BatchStepMember<TDbContext>>)> Decide(
        NpgsqlDataReader rows, IReadOnlyList<BatchStepMember<TDbContext>> members, CancellationToken cancellationToken)
    {
        var decision = await step.Decide(rows, Requests(members), cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < members.Count; i++)
            Typed(members[i])._result = decision.Results[i];
        return (decision.Statements, [.. members.Where(x => Typed(x)._result.Error != null)]);
    }

    public override void Resume(bool inline)
    {
        if (_result.Error is { } error)
            Fail(error);
        else
            TaskStarter.Complete(inline, () => _decision.TrySetResult(_result.Value!));
    }

    /// <summary>Also fails the commit, so that a handler that swallows the step's error cannot commit.</summary>
    public override void Fail(Exception error)
    {
        base.Fail(error);
        Observe(Committed);
        Observe(_decision.Task);
        TaskStarter.Complete(inline: false, () => _decision.TrySetException(error));
    }

    /// <summary>
    /// A failed handler awaits neither task. Observing the exceptions prevents UnobservedTaskException.
    /// </summary>
    static void Observe(Task task) => task.ContinueWith(x => x.Exception, TaskContinuationOptions.ExecuteSynchronously);

    static TRequest[] Requests(IReadOnlyList<BatchStepMember<TDbContext>> members) =>
        [.. members.Select(x => Typed(x).Request)];

    static BatchStepMember<TDbContext, TRequest, TResult> Typed(BatchStepMember<TDbContext> member) =>
        (BatchStepMember<TDbContext, TRequest, TResult>)member;
}
