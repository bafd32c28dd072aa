using Grpc.Core;
using Operations.V1;
using Service.Defaults;

namespace Operations;

/// <summary>The method Explain.</summary>
sealed class Explainer(ServiceClients services, DeadLetterList letters, QueueList queues, TimeProvider time)
{
    /// <summary>Tells the story of an order.</summary>
    /// <exception cref="RpcException">NOT_FOUND: neither service knows the order.</exception>
    public async Task<Explanation> ExplainAsync(string id, CancellationToken cancellationToken)
    {
        var orderId = FieldViolations.ReadId(id, "order_id");
        var order = FindAsync(orderId, cancellationToken);
        var reservation = services.Accounts.GetReservationStoryAsync(
            new GetReservationStoryRequest { OrderId = $"{orderId}" }, cancellationToken: cancellationToken);
        var list = queues.ReadAsync(cancellationToken);
        var dead = (await letters.FindAsync(cancellationToken)).Where(x => x.OrderIds.Contains(orderId)).ToList();
        var facts = new OrderStoryFacts(orderId, await order, await reservation, dead, (await list).Queues,
            time.UtcNow());
        if (facts is { Order: null, Reservation.Reservation: null, Letters.Count: 0 })
            throw RpcErrors.NotFound("order", orderId);
        return new Explanation
        {
            OrderId = $"{orderId}",
            Order = facts.Order?.Order,
            Reservation = facts.Reservation.Reservation,
            Events = { StoryEvents.Of(facts) },
            Situation = OrderSituation.Of(facts),
            Advice = { OrderAdvice.Of(facts) },
            Wait = facts.Order?.Wait,
        };
    }

    async Task<OrderStory?> FindAsync(Guid orderId, CancellationToken cancellationToken)
    {
        try
        {
            return await services.Orders.GetOrderStoryAsync(new GetOrderStoryRequest { OrderId = $"{orderId}" },
                cancellationToken: cancellationToken);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
        {
            return null;
        }
    }
}
