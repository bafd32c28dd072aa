using Grpc.Core;
using Operations.V1;
using Service.Defaults;

namespace Operations;

/// <summary>The method Explain.</summary>
sealed class Explainer(ServiceClients services, DeadLetterList letters, QueueList queues, TimeProvider time)
{
    /// <summary>
    /// Tells the story of an order, as far as Order, Account and the broker can be reached; the others are named.
    /// </summary>
    /// <exception cref="RpcException">NOT_FOUND: neither service knows the order.</exception>
    public async Task<Explanation> ExplainAsync(string id, CancellationToken cancellationToken)
    {
        var orderId = FieldViolations.ReadId(id, "order_id");
        var answers = new Answers();
        var broker = ReadBrokerAsync(answers, cancellationToken);
        var order = await answers.OfAsync(Answers.Order, FindAsync(orderId, cancellationToken));
        var reservation = await answers.OfAsync(Answers.Account, services.Accounts.GetReservationStoryAsync(
            new GetReservationStoryRequest { OrderId = $"{orderId}", AccountId = order?.Order?.AccountId ?? "" },
            deadline: DateTime.UtcNow + ServiceClients.MaxAnswerTime,
            cancellationToken: cancellationToken).ResponseAsync);
        var (list, dead) = await broker;
        var facts = new OrderStoryFacts(orderId, order is { Order: not null } ? order : null,
            reservation ?? new ReservationStory(), [.. dead.Where(x => x.OrderIds.Contains(orderId))], list.Queues,
            time.UtcNow())
        {
            IsOrderReached = order != null,
            IsAccountReached = reservation != null,
            IsBrokerReached = answers.IsComplete(Answers.Broker),
            Alarms = list.Alarms,
        };
        if (facts is { Order: null, Reservation.Reservation: null, Letters.Count: 0 } && answers.Missing.Count == 0)
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
            Missing = { answers.Missing },
        };
    }

    async Task<(ListBrokerQueuesResponse Queues, IReadOnlyList<DeadLetterMessage> Letters)> ReadBrokerAsync(
        Answers answers, CancellationToken cancellationToken)
    {
        var list = await queues.ReadAsync(answers, cancellationToken);
        return (list, await letters.FindAsync(list.Queues, answers, cancellationToken));
    }

    /// <summary>What Order knows; an empty story if it does not know the order.</summary>
    async Task<OrderStory> FindAsync(Guid orderId, CancellationToken cancellationToken)
    {
        try
        {
            return await services.Orders.GetOrderStoryAsync(new GetOrderStoryRequest { OrderId = $"{orderId}" },
                deadline: DateTime.UtcNow + ServiceClients.MaxAnswerTime, cancellationToken: cancellationToken);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
        {
            return new OrderStory();
        }
    }
}
