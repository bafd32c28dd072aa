using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;

namespace Messaging.Postgres;

/// <summary>
/// Learns what units of work have committed, for a convenience that no commit may depend on: a process that ends after
/// a commit reports nothing. Changes that a handler saves itself by SaveChanges are not reported.
/// </summary>
public interface ICommitObserver<TDbContext> where TDbContext : DbContext
{
    /// <summary>
    /// Called right after the commit, for each entity that it has added or modified. Must neither block nor throw.
    /// </summary>
    void Committed(EntityEntry entry);
}
