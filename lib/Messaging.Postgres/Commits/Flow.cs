namespace Messaging.Postgres.Commits;

/// <summary>Work for many that begins on the thread of one of them.</summary>
static class Flow
{
    static readonly ExecutionContext Clean = CaptureClean();

    /// <summary>
    /// Starts it on this thread, without what flows with its caller: no transaction, trace or tenant of one becomes that of all.
    /// </summary>
    public static void StartClean(Func<Task> work) => ExecutionContext.Run(Clean, static x => _ = ((Func<Task>)x!)(), work);

    /// <summary>Keeps a promise, so that who waits for it goes on: on this thread before the call returns, or on one of the pool.</summary>
    public static void GoOn(bool here, Action promise)
    {
        if (here)
            promise();
        else
            ThreadPool.UnsafeQueueUserWorkItem(static x => x(), promise, preferLocal: false);
    }

    static ExecutionContext CaptureClean()
    {
        ExecutionContext? clean = null;
        var thread = new Thread(() => clean = ExecutionContext.Capture());
        thread.UnsafeStart();
        thread.Join();
        return clean!;
    }
}
