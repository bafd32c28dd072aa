namespace Messaging.Postgres.Observability;

/// <summary>How the consumption of a message has ended.</summary>
enum ConsumeOutcome
{
    /// <summary>Its effects are committed.</summary>
    Committed,

    /// <summary>It was consumed before, and had no effect.</summary>
    Duplicate,

    /// <summary>It had no effect, and is retried or moved to the error queue.</summary>
    Failed,
}
