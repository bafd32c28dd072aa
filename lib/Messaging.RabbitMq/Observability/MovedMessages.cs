using System.Diagnostics;

namespace Messaging.RabbitMq;

/// <summary>Remembers when this process last moved a message to a queue of failed or skipped messages.</summary>
sealed class MovedMessages
{
    /// <summary>How long after it is reported a message may still be on its way to its queue.</summary>
    static readonly TimeSpan MoveTime = TimeSpan.FromSeconds(20);

    long _last; // timestamp

    /// <summary>Whether a queue may have been created lately.</summary>
    public bool IsAnyRecent => Volatile.Read(ref _last) is var last && last != 0
        && Stopwatch.GetElapsedTime(last) < MoveTime;

    /// <summary>A message is about to be moved.</summary>
    public void Report() => Volatile.Write(ref _last, Stopwatch.GetTimestamp());
}
