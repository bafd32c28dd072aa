namespace Messaging.Postgres.Commits;

/// <summary>What an error says about the units of a group.</summary>
enum GroupFailure
{
    /// <summary>The server or the connection has failed: for all units, and their outcome is unknown.</summary>
    Unavailable,

    /// <summary>A lock was not acquired in time. Nothing is committed.</summary>
    LockTimeout,

    /// <summary>One of the units may be the cause. Nothing is committed.</summary>
    OfOneUnit,

    /// <summary>A warm-up has rolled back, as intended.</summary>
    WarmUp,
}
