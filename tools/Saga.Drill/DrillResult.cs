namespace Saga.Drill;

/// <summary>What became of a fault.</summary>
/// <param name="Fault">The fault.</param>
sealed record DrillResult(string Fault)
{
    /// <summary>How it showed.</summary>
    public string? Sign { get; init; }

    /// <summary>The time until it showed.</summary>
    public TimeSpan? SeenAfter { get; init; }

    /// <summary>What the explanation said about the cause.</summary>
    public string? Explanation { get; init; }

    /// <summary>The command that mended it.</summary>
    public string? Mend { get; init; }

    /// <summary>The time from the command until everything was as it should be.</summary>
    public TimeSpan? HealthyAfter { get; init; }

    /// <summary>The step that failed, and how; null if none did.</summary>
    public string? Failure { get; init; }
}
