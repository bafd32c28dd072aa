using Operations.V1;

namespace Operations;

/// <summary>The method ListStuck.</summary>
sealed class StuckList(ServiceClients services)
{
    /// <summary>Counts old orders and holds in both services.</summary>
    public async Task<ListStuckResponse> ReadAsync(ListStuckRequest request, CancellationToken cancellationToken)
    {
        var answers = new Answers();
        var orders = answers.OfAsync(Answers.Order, services.Orders.ListStuckOrdersAsync(
            new ListStuckOrdersRequest { OlderThan = request.OlderThan, MaxIds = request.MaxIds },
            deadline: DateTime.UtcNow + ServiceClients.MaxAnswerTime,
            cancellationToken: cancellationToken).ResponseAsync);
        var holds = await answers.OfAsync(Answers.Account, services.Accounts.ListStuckHoldsAsync(
            new ListStuckHoldsRequest { OlderThan = request.OlderThan, MaxIds = request.MaxIds },
            deadline: DateTime.UtcNow + ServiceClients.MaxAnswerTime,
            cancellationToken: cancellationToken).ResponseAsync);
        return new ListStuckResponse
        {
            Orders = { (await orders)?.Groups ?? [] },
            Holds = { holds?.Groups ?? [] },
            Missing = { answers.Missing },
        };
    }
}
