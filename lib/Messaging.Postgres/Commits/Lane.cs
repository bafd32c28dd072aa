using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Commits;

/// <summary>Those who wait for their commits, one group after the other.</summary>
/// <param name="room">For how many of such lanes at once.</param>
sealed class Lane<TDbContext>(SemaphoreSlim room) where TDbContext : DbContext
{
    public SemaphoreSlim Room => room;
    public LinkedList<GroupMember<TDbContext>> Waiting { get; } = [];

    /// <summary>Somebody takes from it until nobody waits.</summary>
    public bool IsLed { get; set; }
}
