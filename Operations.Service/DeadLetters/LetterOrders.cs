using Operations.V1;

namespace Operations;

/// <summary>Reads what both services know about the orders of dead letters.</summary>
sealed class LetterOrders(ServiceClients services)
{
    const int MaxIds = 1000;

    /// <summary>Reads the facts of all orders that messages name; null for what a service does not know.</summary>
    public async Task<Dictionary<Guid, (OrderFacts? Order, ReservationFacts? Reservation)>> ReadAsync(
        IEnumerable<DeadLetterMessage> letters, CancellationToken cancellationToken)
    {
        var facts = new Dictionary<Guid, (OrderFacts?, ReservationFacts?)>();
        foreach (var ids in letters.SelectMany(x => x.OrderIds).Distinct().Chunk(MaxIds))
        {
            var texts = ids.Select(x => x.ToString()).ToArray();
            var orders = (await services.Orders.GetOrderFactsAsync(new GetOrderFactsRequest { OrderIds = { texts } },
                cancellationToken: cancellationToken)).Orders.ToDictionary(x => Guid.Parse(x.OrderId));
            var reservations = (await services.Accounts.GetReservationFactsAsync(
                new GetReservationFactsRequest { OrderIds = { texts } }, cancellationToken: cancellationToken))
                .Reservations.ToDictionary(x => Guid.Parse(x.OrderId));
            foreach (var id in ids)
                facts[id] = (orders.GetValueOrDefault(id), reservations.GetValueOrDefault(id));
        }

        return facts;
    }
}
