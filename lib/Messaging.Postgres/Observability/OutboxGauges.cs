using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Observability;

/// <summary>Shows how many messages wait in the outbox, those of all replicas.</summary>
sealed class OutboxGauges<TDbContext> : SampledGauges<OutboxBacklog> where TDbContext : DbContext
{
    readonly OutboxStore<TDbContext> _store;

    public OutboxGauges(OutboxStore<TDbContext> store, ILogger<OutboxGauges<TDbContext>> log)
        : base(MessagingMetrics.MeterName, log)
    {
        _store = store;
        AddGauge("messaging.outbox.pending", "{message}", "Messages that the broker has not confirmed",
            x => x.Pending);
        AddGauge("messaging.outbox.oldest.age", "s", "Time that the oldest pending message has waited",
            x => x.OldestAge.TotalSeconds);
        AddGauge("messaging.outbox.parked", "{message}", "Messages that wait for an operator", x => x.Parked);
    }

    protected override Task<OutboxBacklog> ReadAsync(CancellationToken cancellationToken) =>
        _store.ReadBacklog(cancellationToken);
}
