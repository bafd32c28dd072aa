using Npgsql;
using Operations.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The method GetOrderTotals.</summary>
sealed class OrderTotalsQuery(PrimaryDatabase database)
{
    const string Query = """
        select currency, current_state, coalesce(reason, ''), count(*), sum(total) from all_orders
        where order_id >= $1 and order_id <= $2 and create_time >= $3 and create_time < $4
        group by 1, 2, 3 order by 1, 2, 3
        """;

    /// <summary>Sums the orders of a day.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: there is no such day.</exception>
    public async Task<OrderTotals> ReadAsync(GetTotalsRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var (start, end) = violations.Day(request.Day, "day");
        violations.ThrowIfAny();

        await using var connection = await database.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(Query, connection);
        command.Parameters.Add(new() { Value = OrderId.First(start) });
        command.Parameters.Add(new() { Value = OrderId.Last(end) });
        command.Parameters.Add(new() { Value = start });
        command.Parameters.Add(new() { Value = end });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        var totals = new OrderTotals();
        while (await row.ReadAsync(cancellationToken))
            totals.Totals.Add(new OrderTotal
            {
                CurrencyCode = row.GetString(0),
                State = row.GetString(1),
                Reason = row.GetString(2),
                Count = row.GetInt64(3),
                Total = Money.ToProto(row.GetDecimal(4), row.GetString(0)),
            });
        return totals;
    }
}
