using Messaging.Postgres;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;
using Service.Defaults;

namespace Accounts;

/// <summary>Shows how many holds wait for a capture or a release, and for how long.</summary>
sealed class HoldGauges : SampledGauges<Holds>
{
    const int MaxHolds = 100_000;

    // By the index of status and order id. Ids of orders increase with time.
    static readonly string Query = $"""
        select count(*), coalesce(now() - min(create_time), '0'), (array_agg(order_id order by order_id))[1]
        from (
            select order_id, create_time from reservations
            where status = 'Held' and order_id >= $1 order by order_id limit {MaxHolds}
        ) as holds
        """;

    /// <summary>How much later than its order a hold can begin, to be counted at once; Account may be behind.</summary>
    static readonly TimeSpan MaxDelay = TimeSpan.FromMinutes(2);

    readonly PrimaryDatabase _database;
    readonly ScanStart _scan = new(TimeProvider.System);

    public HoldGauges(PrimaryDatabase database, ILogger<HoldGauges> log) : base(FundsMetrics.MeterName, log)
    {
        _database = database;
        AddGauge("account.holds", "{hold}", "Holds that are neither captured nor released", x => x.Count);
        AddGauge("account.holds.oldest.age", "s", "Time since the oldest hold began", x => x.OldestAge.TotalSeconds);
    }

    protected override Task<Holds> ReadAsync(CancellationToken cancellationToken) => _scan.Scan(async from =>
    {
        var noneBefore = DateTime.UtcNow;
        await using var command = _database.Pool.CreateCommand(Query);
        command.Parameters.Add(new() { Value = OrderId.First(from) });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        var holds = new Holds(row.GetInt64(0), row.GetFieldValue<TimeSpan>(1));
        if (!row.IsDBNull(2) && OrderId.TimeOf(row.GetGuid(2)) is var oldest && oldest < noneBefore)
            noneBefore = oldest;
        return (holds, holds.Count < MaxHolds ? noneBefore - MaxDelay : (DateTime?)null);
    });
}
