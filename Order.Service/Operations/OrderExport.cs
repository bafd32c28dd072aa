using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Npgsql;
using Operations.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The method ExportOrders. One query, so that all orders are as of its start.</summary>
sealed class OrderExport(PrimaryDatabase database, ServiceDrain drain)
{
    const string Query = """
        select order_id, account_id, current_state, reason, total, currency, create_time, update_time, request_id,
            placed_by, cancelled_by
        from all_orders
        where order_id > $1 and order_id >= $2 and order_id <= $3 and create_time >= $4 and create_time < $5
        order by order_id
        """;

    /// <summary>Writes the orders of a time range.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT, with all violations.</exception>
    /// <exception cref="OperationCanceledException">The client has gone, or the service stops.</exception>
    public async Task WriteAsync(ExportRequest request, IServerStreamWriter<OrderRecord> responses,
        CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var (start, end) = violations.TimeRange(request);
        var after = violations.OptionalId(request.AfterId, "after_id") ?? Guid.Empty;
        violations.ThrowIfAny();

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, drain.Ended);
        await using var command = database.OutsidePool.CreateCommand(Query);
        command.CommandTimeout = 0; // the client sets the pace
        command.Parameters.Add(new() { Value = after });
        command.Parameters.Add(new() { Value = OrderId.First(start) });
        command.Parameters.Add(new() { Value = OrderId.Last(end) });
        command.Parameters.Add(new() { Value = start });
        command.Parameters.Add(new() { Value = end });
        await using var row = await command.ExecuteReaderAsync(stop.Token);
        while (await row.ReadAsync(stop.Token))
            await responses.WriteAsync(ToRecord(row), stop.Token);
    }

    static OrderRecord ToRecord(NpgsqlDataReader row) => new()
    {
        OrderId = $"{row.GetGuid(0)}",
        AccountId = $"{row.GetGuid(1)}",
        State = row.GetString(2),
        Reason = row.IsDBNull(3) ? "" : row.GetString(3),
        Total = Money.ToProto(row.GetDecimal(4), row.GetString(5)),
        CreateTime = row.GetDateTime(6).ToTimestamp(),
        UpdateTime = row.GetDateTime(7).ToTimestamp(),
        RequestId = row.IsDBNull(8) ? "" : $"{row.GetGuid(8)}",
        PlacedBy = row.IsDBNull(9) ? "" : row.GetString(9),
        CancelledBy = row.IsDBNull(10) ? "" : row.GetString(10),
    };
}
