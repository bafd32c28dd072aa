namespace Messaging.Postgres.Commits;

/// <summary>
/// The state of a unit of work. A unit moves forward, and back to <see cref="Open" /> whenever it is not committed:
/// <code>
/// Open → Committing → Committed                           without a batch step
/// Open → Deciding → Decided → Committing → Committed      with one
/// Deciding → Committing                                   the handler swallowed the step's error; the commit fails
/// Committed, or any state of a unit that failed → Open    the scope can be used again
/// </code>
/// </summary>
enum UnitOfWorkState
{
    /// <summary>The handler or RPC adds changes, statements and messages.</summary>
    Open,

    /// <summary>The handler waits for the decision of its batch step.</summary>
    Deciding,

    /// <summary>The handler has received the decision, and its group waits until the handler completes.</summary>
    Decided,

    /// <summary>The handler has completed; the unit waits for its commit.</summary>
    Committing,

    /// <summary>The unit is durable.</summary>
    Committed,
}
