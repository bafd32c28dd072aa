namespace Messaging.Postgres.Commits;

/// <summary>
/// A unit's request to a batch step. Its handler waits for the decision, and its group for the handler.
/// </summary>
/// <param name="step">The step; the requests of one group have the same.</param>
/// <param name="row">The row whose lock the request needs.</param>
/// <param name="ofHandler">How the group continues when the handler has ended.</param>
abstract class StepRequest(object step, object row, TaskCreationOptions ofHandler)
{
    readonly TaskCompletionSource<bool> _handler = new(ofHandler);

    public object Step => step;

    public IReadOnlyList<object> Contended { get; } = [(step, row)];

    /// <summary>
    /// True when the handler has completed and the unit can be committed; false when the handler has failed.
    /// </summary>
    public Task<bool> Handler => _handler.Task;

    /// <summary>The error with which only this request has failed, or null.</summary>
    public abstract Exception? Error { get; }

    public void HandlerCompleted() => _handler.TrySetResult(true);

    public void HandlerFailed() => _handler.TrySetResult(false);

    /// <summary>Resumes the handler with its result.</summary>
    /// <param name="inline">On this thread, before the call returns; otherwise later.</param>
    public abstract void Resume(bool inline);

    /// <summary>Resumes the handler with an error, unless it has a result already.</summary>
    public abstract void Fail(Exception error);
}

/// <inheritdoc cref="StepRequest" />
/// <param name="step">The step.</param>
/// <param name="row">The row whose lock the request needs.</param>
/// <param name="later">Resumes the handler.</param>
/// <param name="ofHandler">How the group continues when the handler has ended.</param>
class StepRequest<TResult>(object step, object row, RunLater later,
    TaskCreationOptions ofHandler = TaskCreationOptions.RunContinuationsAsynchronously)
    : StepRequest(step, row, ofHandler)
{
    readonly TaskCompletionSource<TResult> _decision = new();

    /// <summary>The result for this request; fails with the reason why there is none.</summary>
    public Task<TResult> Decision => _decision.Task;

    /// <summary>The result or the error that the step has decided.</summary>
    public (TResult? Value, Exception? Error) Result { get; set; }

    public override Exception? Error => Result.Error;

    public override void Resume(bool inline)
    {
        if (inline)
            _decision.TrySetResult(Result.Value!);
        else
            later(() => _decision.TrySetResult(Result.Value!));
    }

    public override void Fail(Exception error)
    {
        TaskStarter.Observe(_decision.Task);
        later(() => _decision.TrySetException(error));
    }
}
