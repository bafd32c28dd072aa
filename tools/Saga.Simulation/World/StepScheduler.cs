namespace Saga.Simulation;

/// <summary>
/// Schedules every operation that waits for a server or another process as a step; the seed decides which step runs
/// next. Code after an await runs inside the awaited step, on the one thread, so that a seed always has the same trace.
/// </summary>
sealed class StepScheduler(Random random)
{
    readonly List<Step> _pending = [];

    /// <summary>Called before each step with its process and name.</summary>
    public Action<string>? Trace { get; set; }

    /// <summary>Adds a step; the task completes when the step has run.</summary>
    /// <param name="process">The process of the step: a kill drops the step, a pause delays it. May be null.</param>
    /// <param name="name">The step's name in the trace.</param>
    /// <param name="run">The operation.</param>
    /// <param name="isReady">Whether the step can run now; null for always.</param>
    public Task<T> Add<T>(SimProcess? process, string name, Func<T> run, Func<bool>? isReady = null)
    {
        var completion = new TaskCompletionSource<T>();
        _pending.Add(new Step(process, name, isReady, () =>
        {
            T result;
            try
            {
                result = run();
            }
            catch (Exception e)
            {
                completion.SetException(e);
                return;
            }

            completion.SetResult(result);
        }));
        return completion.Task;
    }

    /// <summary>Adds a timer. A process that has work to do does it before its timers fire.</summary>
    /// <param name="process">The process.</param>
    /// <param name="fire">Called once.</param>
    /// <param name="isDue">Whether its time has come.</param>
    /// <returns>Removes the timer.</returns>
    public Action AddTimer(SimProcess process, Action fire, Func<bool> isDue)
    {
        Step? timer = null;
        timer = new Step(process, "a timer fires",
            () => isDue() && !_pending.Exists(x => x.Process == process && !x.IsTimer && IsReady(x)), fire,
            IsTimer: true);
        _pending.Add(timer);
        return () => _pending.Remove(timer);
    }

    /// <summary>Runs one of the steps that are ready.</summary>
    /// <returns>False if no step is ready.</returns>
    public bool RunOne()
    {
        if (_pending.Count == 0)
            return false;
        var start = random.Next(_pending.Count);
        for (var i = 0; i < _pending.Count; i++)
        {
            var index = (start + i) % _pending.Count;
            var step = _pending[index];
            if (!IsReady(step))
                continue;
            _pending[index] = _pending[^1];
            _pending.RemoveAt(_pending.Count - 1);
            Trace?.Invoke($"{step.Process?.Name} {step.Name}");
            step.Run();
            return true;
        }

        return false;
    }

    static bool IsReady(Step step) => step.Process is not { IsPaused: true } && step.IsReady?.Invoke() != false;

    /// <summary>Drops the steps of a killed process.</summary>
    public void Drop(SimProcess process) => _pending.RemoveAll(x => x.Process == process);

    sealed record Step(
        SimProcess? Process, string Name, Func<bool>? IsReady, Action Run, bool IsTimer = false);
}
