namespace Messaging.Postgres.Commits;

/// <summary>
/// The transactions in which groups of units commit, on a database or on a simulation of one. A member has succeeded
/// (<see cref="GroupMember.Succeed" />) as soon as it is durable, before anything else can fail.
/// </summary>
interface IGroupTransactions
{
    /// <summary>Commits units whose handlers have completed, in one round trip.</summary>
    Task<CommitAttempt> TryCommit(IReadOnlyList<GroupMember> members);

    /// <summary>Finds the members whose message the inbox contains, or one of whose rows has changed.</summary>
    /// <returns>The members, each with the reason for which it must fail.</returns>
    Task<IReadOnlyList<(GroupMember Member, Exception Reason)>> FindOutdated(IReadOnlyList<GroupMember> members);

    /// <summary>
    /// Commits one unit whose handler has completed, in the way that tells best what is wrong with it.
    /// </summary>
    Task CommitAlone(GroupMember member);

    /// <summary>
    /// Locks and loads the rows of all requests, decides them, and commits the units whose handlers have completed.
    /// </summary>
    /// <param name="members">Units with requests to the same step.</param>
    /// <param name="runHandlers">
    /// Called once, when the requests have their results: resumes the handlers of the members that it receives, which
    /// are no duplicates, and returns those to commit.
    /// </param>
    Task DecideAndCommit(IReadOnlyList<GroupMember> members,
        Func<IReadOnlyList<GroupMember>, Task<IReadOnlyList<GroupMember>>> runHandlers);

    /// <summary>Tells what an error says about the units of a group.</summary>
    GroupFailure Classify(Exception error);
}
