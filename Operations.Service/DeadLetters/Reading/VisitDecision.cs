namespace Operations;

/// <summary>What becomes of a message of a queue that is visited.</summary>
enum VisitDecision
{
    /// <summary>It stays where it is.</summary>
    Keep,

    /// <summary>It is deleted.</summary>
    Remove,

    /// <summary>It stays, and the visit ends.</summary>
    Stop,
}
