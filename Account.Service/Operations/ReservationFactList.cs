using Google.Protobuf.WellKnownTypes;
using Npgsql;
using Operations.V1;
using Service.Defaults;

namespace Accounts;

/// <summary>The methods ListReservationFacts and GetReservationFacts.</summary>
sealed class ReservationFactList(PrimaryDatabase database)
{
    const int MaxReservations = 1000;

    static readonly string List = Query("reservations", "ledger_entries",
        "order_id > $1 and order_id < $2 order by order_id limit $3");

    static readonly string Get = Query("all_reservations", "all_ledger_entries", "order_id = any ($1)");

    static string Query(string reservations, string entries, string condition) => $"""
        select order_id, account_id, status, amount, currency, create_time, update_time, held, released, captured
        from (select * from {reservations} where {condition}) as r cross join lateral (
            select coalesce(sum(e.amount) filter (where e.kind = 'Hold'), 0) as held,
                coalesce(sum(e.amount) filter (where e.kind = 'Release'), 0) as released,
                coalesce(sum(e.amount) filter (where e.kind = 'Capture'), 0) as captured
            from {entries} e where e.order_id = r.order_id) as entries
        order by order_id
        """;

    /// <summary>Lists reservations by order id.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    /// <remarks>
    /// Ends before the first reservation that is younger than the request asks for, although reservations of later
    /// orders can be older: a caller that continues after the last id would miss it.
    /// </remarks>
    public async Task<ListReservationFactsResponse> ListAsync(
        ListReservationFactsRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var after = violations.OptionalId(request.AfterOrderId, "after_order_id") ?? Guid.Empty;
        var before = violations.OptionalTime(request.CreateTimeBefore, "create_time_before");
        var size = violations.Limit(request.PageSize, "page_size", MaxReservations);
        violations.ThrowIfAny();

        await using var connection = await database.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(List, connection);
        command.Parameters.Add(new() { Value = after });
        command.Parameters.Add(new() { Value = before is { } time ? OrderId.First(time) : Guid.AllBitsSet });
        command.Parameters.Add(new() { Value = size });
        var facts = await ReadAsync(command, cancellationToken);
        return new ListReservationFactsResponse
        {
            Reservations = { facts.TakeWhile(x => before == null || x.CreateTime.ToDateTime() < before) },
        };
    }

    /// <summary>Reads the reservations of orders.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    public async Task<GetReservationFactsResponse> GetAsync(
        GetReservationFactsRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var ids = violations.Ids(request.OrderIds, "order_ids", MaxReservations);
        violations.ThrowIfAny();
        await using var connection = await database.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(Get, connection);
        command.Parameters.Add(new() { Value = ids });
        return new GetReservationFactsResponse { Reservations = { await ReadAsync(command, cancellationToken) } };
    }

    static async Task<List<ReservationFacts>> ReadAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        var facts = new List<ReservationFacts>();
        while (await row.ReadAsync(cancellationToken))
        {
            var currency = row.GetString(4);
            facts.Add(new ReservationFacts
            {
                OrderId = $"{row.GetGuid(0)}",
                AccountId = $"{row.GetGuid(1)}",
                Status = row.GetString(2),
                Amount = Money.ToProto(row.GetDecimal(3), currency),
                CreateTime = row.GetDateTime(5).ToTimestamp(),
                UpdateTime = row.GetDateTime(6).ToTimestamp(),
                EntriesHeld = Money.ToProto(row.GetDecimal(7), currency),
                EntriesReleased = Money.ToProto(row.GetDecimal(8), currency),
                EntriesCaptured = Money.ToProto(row.GetDecimal(9), currency),
            });
        }

        return facts;
    }
}
