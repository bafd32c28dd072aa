using System.Diagnostics.Metrics;
using Messaging.Postgres.Observability;

namespace Operations;

/// <summary>Shows how many mismatches of each kind exist.</summary>
sealed class MismatchGauges : SampledGauges<IReadOnlyDictionary<MismatchKind, int>>
{
    const string MeterName = "Operations.Service";

    readonly ReconciliationStore _store;

    public MismatchGauges(ReconciliationStore store, ILogger<MismatchGauges> log) : base(MeterName, log)
    {
        _store = store;
        AddGauge("reconciliation.mismatches", "{mismatch}", "Orders and accounts that do not match in both services",
            counts => Enum.GetValues<MismatchKind>().Select(x => new Measurement<double>(counts.GetValueOrDefault(x),
                new KeyValuePair<string, object?>("mismatch.kind", x.ToString()))));
    }

    protected override async Task<IReadOnlyDictionary<MismatchKind, int>> ReadAsync(
        CancellationToken cancellationToken) => await _store.CountAsync(cancellationToken);
}
