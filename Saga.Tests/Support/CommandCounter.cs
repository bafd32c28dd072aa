using System.Diagnostics;

namespace Saga.Tests.Support;

/// <summary>Counts the commands that try to update tallies of one database, by Npgsql's traces.</summary>
sealed class CommandCounter : IDisposable
{
    readonly ActivityListener _listener;
    int _count;

    public CommandCounter(string database)
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Npgsql",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = command =>
            {
                if ((string?)command.GetTagItem("db.namespace") == database
                    && command.GetTagItem("db.query.text") is string text
                    && text.Contains("update", StringComparison.OrdinalIgnoreCase)
                    && text.Contains("tallies", StringComparison.OrdinalIgnoreCase))
                    Interlocked.Increment(ref _count);
            },
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public int Count => Volatile.Read(ref _count);

    public void Dispose() => _listener.Dispose();
}
