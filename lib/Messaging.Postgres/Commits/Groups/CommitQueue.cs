namespace Messaging.Postgres.Commits;

/// <summary>Units of work that wait to be committed, one group after the other.</summary>
/// <param name="concurrency">Limits how many queues commit at the same time.</param>
/// <param name="isQuarantined">Whether its units are tried apart from others.</param>
sealed class CommitQueue(SemaphoreSlim concurrency, bool isQuarantined)
{
    public SemaphoreSlim Concurrency => concurrency;
    public bool IsQuarantined => isQuarantined;

    public LinkedList<GroupMember> Waiting { get; } = [];

    /// <summary>The messages whose handlers were too slow alone.</summary>
    public HashSet<object> Slow { get; } = [];

    /// <summary>Whether the queue's commit loop is running. The loop ends when the queue is empty.</summary>
    public bool IsDraining { get; set; }
}
