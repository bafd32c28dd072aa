namespace Service.Defaults;

/// <summary>A queue whose consumption an operator has paused, on all replicas of its service.</summary>
public sealed class PausedQueue
{
    /// <summary>The name of the queue.</summary>
    public required string Name { get; init; }

    /// <summary>Who has paused it.</summary>
    public required string Operator { get; init; }

    /// <summary>Why.</summary>
    public required string Reason { get; init; }

    /// <summary>When it was paused.</summary>
    public required DateTime PauseTime { get; init; }
}
