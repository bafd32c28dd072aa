using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Accounts;

/// <summary>Shows how many holds wait for a capture or a release, and for how long.</summary>
sealed class HoldGauges : SampledGauges<Holds>
{
    // By the index of status and order id. Ids of orders increase with time.
    const string Query = """
        select count(*), coalesce(now() - min(create_time), '0')
        from (select create_time from reservations where status = 'Held' order by order_id limit 100000) as holds
        """;

    readonly NpgsqlDataSource _database;

    public HoldGauges(NpgsqlDataSource database, ILogger<HoldGauges> log) : base(FundsMetrics.MeterName, log)
    {
        _database = database;
        AddGauge("account.holds", "{hold}", "Holds that are neither captured nor released", x => x.Count);
        AddGauge("account.holds.oldest.age", "s", "Time since the oldest hold began", x => x.OldestAge.TotalSeconds);
    }

    protected override async Task<Holds> ReadAsync(CancellationToken cancellationToken)
    {
        await using var command = _database.CreateCommand(Query);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return new Holds(row.GetInt64(0), row.GetFieldValue<TimeSpan>(1));
    }
}
