namespace Operations;

/// <summary>How far an action has come.</summary>
enum AuditOutcome
{
    /// <summary>The action begins. If no line follows, the process has ended meanwhile.</summary>
    Started = 1,

    /// <summary>The action has ended as intended.</summary>
    Succeeded = 2,

    /// <summary>The operator has ended the action early; the count says how much was done.</summary>
    Cancelled = 3,

    /// <summary>The action has failed; the count says how much was done.</summary>
    Failed = 4,
}
