using Microsoft.EntityFrameworkCore;
using Npgsql;
using Orders.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The method ListOrders.</summary>
sealed class OrderList(OrderDbContext db, PageTokens tokens)
{
    // A page with orders of 100 items can be too large for clients, whose default limit is 4 MB: then it is shorter.
    const int MaxPageBytes = 3_500_000;
    const int BytesPerElement = 8; // tag and length

    const string Page = "order_id <= {3} and order_id <> {4} and order_id >= {5} and create_time >= {6} "
        + "and create_time < {7} order by order_id desc limit {8}";

    // The redundant BETWEEN lowers the planner's row estimate, so it chooses the index that begins with these columns.
    const string OwnerIs = "owner = {0} and owner between {0} and {0}",
        AccountIs = "account_id = {1} and account_id between {1} and {1}",
        All = $"select * from all_orders where {Page}";

    static readonly string OfStates = Select("select unnest({2}) as state", "true"),
        OfOwner = Select(StatesOf(OwnerIs), OwnerIs),
        OfAccount = Select(StatesOf(AccountIs), AccountIs),
        OfOwnerAndAccount = Select(StatesOf($"{AccountIs} and {OwnerIs}"), $"{AccountIs} and {OwnerIs}");

    /// <summary>
    /// The states of the orders that an index begins with, also those of newer builds: one look-up in it for each. So
    /// one index serves filters with and without a state.
    /// </summary>
    static string StatesOf(string condition) => $"""
        with recursive states (state) as (
            select min(current_state) from all_orders where {condition}
            union all
            select (select min(current_state) from all_orders where {condition} and current_state > state)
            from states where state is not null
        )
        select state from states where state is not null
        """;

    /// <summary>
    /// Reads each state by itself and merges the results: an index returns the orders of one state in their order, but
    /// would have to sort all orders of several. (As LINQ, this becomes a window function over all orders.)
    /// </summary>
    /// <param name="states">SQL for the states, with the column state.</param>
    /// <param name="condition">The SQL condition for the orders, besides their state.</param>
    static string Select(string states, string condition) => $$"""
        select page.* from ({{states}}) as states cross join lateral (
            select * from all_orders
            where {{condition}} and current_state = states.state
                and current_state between states.state and states.state and {{Page}}) as page
        where {2} is null or states.state = any({2}) order by order_id desc limit {8}
        """;

    /// <summary>Reads a page of orders.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    public async Task<ListOrdersResponse> ReadAsync(
        ListOrdersRequest request, Caller caller, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var accountId = violations.OptionalId(request.AccountId, "account_id");
        var states = OrderMapping.ToStates(request.Status);
        if (states.Length == 0 && request.Status != OrderStatus.Unspecified)
            violations.Add("status", "must be a status of an order");
        var (start, end) = (violations.OptionalTime(request.StartTime, "start_time"),
            violations.OptionalTime(request.EndTime, "end_time"));
        if (start >= end)
            violations.Add("end_time", "must be later than start_time");
        var size = violations.PageSize(request.PageSize);
        var filter = $"ListOrders/{caller.Limit}/{accountId}/{request.Status}/{start?.Ticks}/{end?.Ticks}";
        var after = tokens.Read<Guid>(request.PageToken, filter, violations);
        violations.ThrowIfAny();

        var sql = (caller.Limit, accountId) switch
        {
            (null, null) => states.Length == 0 ? All : OfStates,
            (null, _) => OfAccount,
            (_, null) => OfOwner,
            _ => OfOwnerAndAccount,
        };
        var first = start is { } from ? OrderId.First(from) : Guid.Empty;
        var last = end is { } before ? OrderId.Last(before) : Guid.AllBitsSet;
        // One more row than the page shows whether there is another page.
        var page = await db.Orders.FromSqlRaw(sql, caller.Limit ?? "", accountId ?? default,
                new NpgsqlParameter { Value = states.Length == 0 ? DBNull.Value : states, DataTypeName = "text[]" },
                after < last ? after : last, after ?? default, first, start ?? DateTime.MinValue,
                end ?? DateTime.MaxValue, size + 1)
            .AsNoTracking().ToListAsync(cancellationToken);
        return ToResponse(page, size, filter);
    }

    ListOrdersResponse ToResponse(List<OrderState> page, int size, string filter)
    {
        var response = new ListOrdersResponse();
        var bytes = 0;
        foreach (var order in page.Take(size).Select(x => x.ToProto()))
        {
            bytes += order.CalculateSize() + BytesPerElement;
            if (bytes > MaxPageBytes)
                break;
            response.Orders.Add(order);
        }

        if (page.Count > response.Orders.Count)
            response.NextPageToken = tokens.Create(page[response.Orders.Count - 1].CorrelationId, filter);
        return response;
    }
}
