using Operations.V1;

namespace Operations;

/// <summary>The method ListStuck.</summary>
sealed class StuckList(ServiceClients services)
{
    /// <summary>Counts old orders and holds in both services; orders also wait when Account is down.</summary>
    public async Task<ListStuckResponse> ReadAsync(ListStuckRequest request, CancellationToken cancellationToken)
    {
        var reads = (
            Orders: Source<ListStuckOrdersResponse>.ReadAsync("Order", x => services.Orders.ListStuckOrdersAsync(
                new ListStuckOrdersRequest { OlderThan = request.OlderThan, MaxIds = request.MaxIds },
                cancellationToken: x).ResponseAsync, cancellationToken),
            Holds: Source<ListStuckHoldsResponse>.ReadAsync("Account", x => services.Accounts.ListStuckHoldsAsync(
                new ListStuckHoldsRequest { OlderThan = request.OlderThan, MaxIds = request.MaxIds },
                cancellationToken: x).ResponseAsync, cancellationToken));
        var (orders, holds) = (await reads.Orders, await reads.Holds);
        return new ListStuckResponse
        {
            Orders = { orders.Value?.Groups ?? [] },
            Holds = { holds.Value?.Groups ?? [] },
            Missing = { ((MissingSource?[])[orders.Missing, holds.Missing]).OfType<MissingSource>() },
        };
    }
}
