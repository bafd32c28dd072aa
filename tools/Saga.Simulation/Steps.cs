namespace Saga.Simulation;

/// <summary>
/// The scheduler: everything that waits for a server or another process is a step here, and one seed decides which
/// goes on next. All code after an await runs inside the step that it waited for, on the one thread.
/// </summary>
sealed class Steps(Random random)
{
    readonly List<Step> _waiting = [];

    /// <summary>Called before each step, with what it is and which order it is about.</summary>
    public Action<string>? Trace { get; set; }

    /// <summary>Adds a step; the task ends when the step was taken.</summary>
    /// <param name="life">Whose step it is: it is dropped when that process is killed, and waits while it stands still.</param>
    /// <param name="name">What it is called in the history.</param>
    /// <param name="take">What it does.</param>
    /// <param name="ready">Whether it can be taken now.</param>
    public Task<T> Add<T>(Life? life, string name, Func<T> take, Func<bool>? ready = null)
    {
        var taken = new TaskCompletionSource<T>();
        _waiting.Add(new Step(life, name, ready, () =>
        {
            T result;
            try
            {
                result = take();
            }
            catch (Exception e)
            {
                taken.SetException(e);
                return;
            }

            taken.SetResult(result);
        }));
        return taken.Task;
    }

    /// <summary>Takes one of the steps that are ready.</summary>
    /// <returns>False if there is none.</returns>
    public bool TakeOne()
    {
        if (_waiting.Count == 0)
            return false;
        var start = random.Next(_waiting.Count);
        for (var i = 0; i < _waiting.Count; i++)
        {
            var at = (start + i) % _waiting.Count;
            var step = _waiting[at];
            if (step.Life is { StandsStill: true } || step.Ready?.Invoke() == false)
                continue;
            _waiting[at] = _waiting[^1];
            _waiting.RemoveAt(_waiting.Count - 1);
            Trace?.Invoke($"{step.Life?.Name} {step.Name}");
            step.Take();
            return true;
        }

        return false;
    }

    /// <summary>Drops the steps of a process that was killed.</summary>
    public void Drop(Life life) => _waiting.RemoveAll(x => x.Life == life);

    sealed record Step(Life? Life, string Name, Func<bool>? Ready, Action Take);
}

/// <summary>One process from its start to its end.</summary>
sealed class Life(string name)
{
    public string Name => name;
    public bool IsOver { get; set; }
    public bool StandsStill { get; set; }
}

/// <summary>The connection was lost: whether it was done is not known.</summary>
sealed class ConnectionLost(string what) : Exception($"the connection was lost {what}");

/// <summary>Another transaction was in the way: a version, a unique key.</summary>
sealed class Conflict(string what) : Exception(what);
