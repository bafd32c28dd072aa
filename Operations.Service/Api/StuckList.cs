using Operations.V1;

namespace Operations;

/// <summary>The method ListStuck.</summary>
sealed class StuckList(ServiceClients services)
{
    /// <summary>Counts old orders and holds in both services.</summary>
    public async Task<ListStuckResponse> ReadAsync(ListStuckRequest request, CancellationToken cancellationToken)
    {
        var orders = services.Orders.ListStuckOrdersAsync(
            new ListStuckOrdersRequest { OlderThan = request.OlderThan, MaxIds = request.MaxIds },
            cancellationToken: cancellationToken);
        var holds = await services.Accounts.ListStuckHoldsAsync(
            new ListStuckHoldsRequest { OlderThan = request.OlderThan, MaxIds = request.MaxIds },
            cancellationToken: cancellationToken);
        return new ListStuckResponse { Orders = { (await orders).Groups }, Holds = { holds.Groups } };
    }
}
