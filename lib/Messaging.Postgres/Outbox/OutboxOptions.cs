using System.Data;
using Messaging.Postgres.Observability;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>The values that <see cref="MassTransit.IEntityFrameworkOutboxConfigurator" /> sets and documents.</summary>
sealed class OutboxOptions<TDbContext> where TDbContext : DbContext
{
    public TimeSpan DuplicateDetectionWindow { get; set; } = TimeSpan.FromDays(1);
    public IsolationLevel IsolationLevel { get; set; } = IsolationLevel.RepeatableRead;
    public TimeSpan QueryDelay { get; set; } = TimeSpan.FromSeconds(1);
    public int QueryMessageLimit { get; set; } = 500;
    public TimeSpan QueryTimeout { get; set; } = TimeSpan.FromSeconds(30);
    public TimeSpan OwnerTimeout { get; set; } = TimeSpan.FromSeconds(10);
    public int MaxDeliveryAttempts { get; set; } = 100;
    public int MessageDeliveryLimit { get; set; } = 100;
    public TimeSpan MessageDeliveryTimeout { get; set; } = TimeSpan.FromSeconds(10);
    public bool GroupCommits { get; set; }
    public bool PrepareStatements { get; set; }
    public bool CleanInbox { get; set; } = true;
    public bool Deliver { get; set; } = true;
    public MessageTag? MessageTag { get; set; }
}
