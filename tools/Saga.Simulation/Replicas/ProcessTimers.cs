namespace Saga.Simulation;

/// <summary>The timers of a process, which fire as steps.</summary>
sealed class ProcessTimers(World world, SimProcess process) : TimeProvider
{
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var due = world.Now + dueTime;
        return new Timer(world.Scheduler.AddTimer(process, () => callback(state), () => world.Now >= due));
    }

    sealed class Timer(Action remove) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException();

        public void Dispose() => remove();

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
