namespace Messaging.Postgres.Commits;

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
