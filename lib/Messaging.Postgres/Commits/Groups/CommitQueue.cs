using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Commits;

/// <summary>Units of work that wait to be committed, one group after the other.</summary>
/// <param name="concurrency">Limits how many queues commit at the same time.</param>
sealed class CommitQueue<TDbContext>(SemaphoreSlim concurrency) where TDbContext : DbContext
{
    public SemaphoreSlim Concurrency => concurrency;

    public LinkedList<GroupMember<TDbContext>> Waiting { get; } = [];

    /// <summary>Whether the queue's commit loop is running. The loop ends when the queue is empty.</summary>
    public bool IsDraining { get; set; }
}
