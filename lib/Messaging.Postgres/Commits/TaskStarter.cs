namespace Messaging.Postgres.Commits;

/// <summary>Starts shared work on the calling thread, and runs the continuations of its callers.</summary>
static class TaskStarter
{
    static readonly ExecutionContext Empty = CaptureEmpty();

    /// <summary>
    /// Starts work on this thread without the caller's ExecutionContext, so that shared work does not inherit the
    /// ambient transaction, trace or tenant of one caller.
    /// </summary>
    public static void StartWithoutCallerContext(Func<Task> work) =>
        ExecutionContext.Run(Empty, static x => _ = ((Func<Task>)x!)(), work);

    /// <summary>Runs a continuation on a pool thread.</summary>
    public static void RunOnPool(Action continuation) =>
        ThreadPool.UnsafeQueueUserWorkItem(static x => x(), continuation, preferLocal: false);

    /// <summary>
    /// Prevents <see cref="TaskScheduler.UnobservedTaskException" /> for a task that perhaps nobody awaits.
    /// </summary>
    public static void Observe(Task task) =>
        task.ContinueWith(x => x.Exception, TaskContinuationOptions.ExecuteSynchronously);

    static ExecutionContext CaptureEmpty()
    {
        ExecutionContext? empty = null;
        var thread = new Thread(() => empty = ExecutionContext.Capture());
        thread.UnsafeStart();
        thread.Join();
        return empty!;
    }
}
