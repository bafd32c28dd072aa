using System.Diagnostics.Metrics;
using Messaging.Postgres.Observability;
using Microsoft.EntityFrameworkCore;
using Service.Defaults;

namespace Operations;

/// <summary>
/// Shows how long ago each loop of reconciliation has compared its last page, so that one that hangs is noticed.
/// </summary>
sealed class ReconciliationAges : SampledGauges<IReadOnlyDictionary<string, TimeSpan>>
{
    readonly IServiceScopeFactory _scopes;
    readonly TimeProvider _time;

    public ReconciliationAges(IServiceScopeFactory scopes, TimeProvider time, ILogger<ReconciliationAges> log)
        : base("Operations.Service", log)
    {
        (_scopes, _time) = (scopes, time);
        AddGauge("reconciliation.check.age", "s", "Time since the last page was compared",
            ages => ages.Select(x => new Measurement<double>(x.Value.TotalSeconds,
                new KeyValuePair<string, object?>("comparison.subject", x.Key))));
    }

    protected override async Task<IReadOnlyDictionary<string, TimeSpan>> ReadAsync(CancellationToken cancellationToken)
    {
        await using var scope = _scopes.CreateAsyncScope();
        var now = _time.UtcNow();
        return await scope.ServiceProvider.GetRequiredService<OperationsDbContext>().Cursors.AsNoTracking()
            .Where(x => x.CheckTime != null)
            .ToDictionaryAsync(x => x.Subject, x => now - x.CheckTime!.Value, cancellationToken);
    }
}
