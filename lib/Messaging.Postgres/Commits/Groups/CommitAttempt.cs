namespace Messaging.Postgres.Commits;

/// <summary>The outcome of an attempt to commit units in one round trip.</summary>
enum CommitAttempt
{
    Committed,

    /// <summary>Nothing is committed: a message was consumed already, or a row has changed.</summary>
    HasOutdated,

    /// <summary>Nothing is committed, and what is wrong is unknown.</summary>
    Failed,
}
