using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Npgsql;
using Operations.V1;
using Service.Defaults;

namespace Accounts;

/// <summary>The method ExportEntries. One query, so that all entries are as of its start.</summary>
sealed class EntryExport(PrimaryDatabase database, EntryIds ids, ServiceDrain drain)
{
    /// <summary>More than the clocks of replicas differ.</summary>
    public static readonly TimeSpan Margin = TimeSpan.FromHours(1);

    const string Query = """
        select entry_id, account_id, order_id, kind, amount, available_after, held_after, captured_after,
            e.create_time, currency, deposited_by
        from all_ledger_entries e join accounts using (account_id)
        where entry_id > $1 and entry_id <= $2 and e.create_time >= $3 and e.create_time < $4 order by entry_id
        """;

    /// <summary>Writes the entries of a time range.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT, with all violations.</exception>
    /// <exception cref="OperationCanceledException">The client has gone, or the service stops.</exception>
    public async Task WriteAsync(ExportRequest request, IServerStreamWriter<EntryRecord> responses,
        CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var (start, end) = violations.TimeRange(request);
        if (!long.TryParse(request.AfterId is "" ? "0" : request.AfterId, NumberStyles.None,
            CultureInfo.InvariantCulture, out var after))
            violations.Add("after_id", "must be the id of an entry");
        violations.ThrowIfAny();

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, drain.Ended);
        await using var command = database.OutsidePool.CreateCommand(Query);
        command.CommandTimeout = 0; // the client sets the pace
        command.Parameters.Add(new() { Value = Math.Max(after, await ids.FindLastAsync(Before(start), stop.Token)) });
        command.Parameters.Add(new() { Value = await ids.FindLastAsync(After(end), stop.Token) });
        command.Parameters.Add(new() { Value = start });
        command.Parameters.Add(new() { Value = end });
        await using var row = await command.ExecuteReaderAsync(stop.Token);
        while (await row.ReadAsync(stop.Token))
            await responses.WriteAsync(ToRecord(row), stop.Token);
    }

    static DateTime Before(DateTime time) => time - DateTime.UnixEpoch > Margin ? time - Margin : time;

    static DateTime After(DateTime time) => DateTime.MaxValue - time > Margin ? time + Margin : time;

    static EntryRecord ToRecord(NpgsqlDataReader row)
    {
        var currency = row.GetString(9);
        return new EntryRecord
        {
            EntryId = row.GetInt64(0),
            AccountId = $"{row.GetGuid(1)}",
            OrderId = row.IsDBNull(2) ? "" : $"{row.GetGuid(2)}",
            Kind = row.GetString(3),
            Amount = Money.ToProto(row.GetDecimal(4), currency),
            AvailableAfter = Money.ToProto(row.GetDecimal(5), currency),
            HeldAfter = Money.ToProto(row.GetDecimal(6), currency),
            CapturedAfter = Money.ToProto(row.GetDecimal(7), currency),
            CreateTime = row.GetDateTime(8).ToTimestamp(),
            DepositedBy = row.IsDBNull(10) ? "" : row.GetString(10),
        };
    }
}
