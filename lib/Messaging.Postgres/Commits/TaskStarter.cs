namespace Messaging.Postgres.Commits;

/// <summary>Starts shared work on the calling thread, and completes the tasks of its callers.</summary>
static class TaskStarter
{
    static readonly ExecutionContext Empty = CaptureEmpty();

    /// <summary>
    /// Starts work on this thread without the caller's ExecutionContext, so that shared work does not inherit the
    /// ambient transaction, trace or tenant of one caller.
    /// </summary>
    public static void StartWithoutCallerContext(Func<Task> work) =>
        ExecutionContext.Run(Empty, static x => _ = ((Func<Task>)x!)(), work);

    /// <summary>Completes a task and runs its continuations.</summary>
    /// <param name="inline">On this thread, before the call returns; otherwise on a pool thread.</param>
    /// <param name="complete">Completes a task.</param>
    public static void Complete(bool inline, Action complete)
    {
        if (inline)
            complete();
        else
            ThreadPool.UnsafeQueueUserWorkItem(static x => x(), complete, preferLocal: false);
    }

    static ExecutionContext CaptureEmpty()
    {
        ExecutionContext? empty = null;
        var thread = new Thread(() => empty = ExecutionContext.Capture());
        thread.UnsafeStart();
        thread.Join();
        return empty!;
    }
}
