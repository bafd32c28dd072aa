using Microsoft.EntityFrameworkCore;
using Orders.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The method ListOrders.</summary>
sealed class OrderList(OrderDbContext db, PageTokens tokens)
{
    // A page with orders of 100 items can be too large for clients, whose default limit is 4 MB: then it is shorter.
    const int MaxPageBytes = 3_500_000;
    const int BytesPerElement = 8; // tag and length

    static readonly string StatesOfAccount = StatesOf("account_id"), StatesOfOwner = StatesOf("owner");

    /// <summary>
    /// The states of all orders with a value in a column, also those of newer builds: one look-up in the index of that
    /// column and states for each. So one index serves the filter by the column alone, too.
    /// </summary>
    static string StatesOf(string column) => $$"""
        with recursive states (state) as (
            select min(current_state) from all_orders where {{column}} = {0}
            union all
            select (select min(current_state) from all_orders where {{column}} = {0} and current_state > state)
            from states where state is not null
        )
        select state as "Value" from states where state is not null
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

        var query = db.AllOrders;
        if (accountId != null)
            query = query.Where(x => x.AccountId == accountId);
        if (caller.Limit is { } owner)
            query = query.Where(x => x.Owner == owner);
        if (start is { } from)
            query = query.Where(x => x.CorrelationId >= OrderId.First(from) && x.CreateTime >= from);
        if (end is { } before)
            query = query.Where(x => x.CorrelationId <= OrderId.Last(before) && x.CreateTime < before);
        if (after is { } last)
            query = query.Where(x => x.CorrelationId < last);
        if (states.Length == 0 && (accountId != null || caller.Limit != null))
        {
            states = await (accountId is { } account
                ? db.Database.SqlQueryRaw<string>(StatesOfAccount, account)
                : db.Database.SqlQueryRaw<string>(StatesOfOwner, caller.Limit!)).ToArrayAsync(cancellationToken);
            if (states.Length == 0)
                return new ListOrdersResponse();
        }

        // One more row than the page shows whether there is another page.
        var page = await NewestFirst(query, states, size + 1).ToListAsync(cancellationToken);
        return ToResponse(page, size, filter);
    }

    /// <summary>
    /// Reads each state by itself and merges the results: an index returns the orders of one state in their order, but
    /// would have to sort all orders of several states.
    /// </summary>
    static IQueryable<OrderState> NewestFirst(IQueryable<OrderState> query, string[] states, int count)
    {
        return states.Length == 0 ? Limit(query)
            : Limit(states.Select(state => Limit(query.Where(x => x.CurrentState == state)))
                .Aggregate((all, next) => all.Concat(next)));

        IQueryable<OrderState> Limit(IQueryable<OrderState> orders) =>
            orders.OrderByDescending(x => x.CorrelationId).Take(count);
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
