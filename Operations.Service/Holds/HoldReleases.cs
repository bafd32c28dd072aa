using Grpc.Core;
using Operations.V1;
using Service.Defaults;

namespace Operations;

/// <summary>
/// Releases holds without a live order. Account says what is held, and Order, which decides about it, is asked after
/// that: an order that Order does not know then is lost, and not one that is just being created.
/// </summary>
sealed class HoldReleases(ServiceClients services, DeadLetterList list)
{
    const int MaxIds = 1000;
    const string OrderConfirmed = "Contracts:OrderConfirmed";

    /// <summary>The method ReleaseHolds.</summary>
    /// <param name="request">Chooses the orders.</param>
    /// <param name="released">Receives how many holds are released so far.</param>
    /// <param name="cancellationToken">Ends after the current order.</param>
    /// <exception cref="RpcException">
    /// INVALID_ARGUMENT, with all violations. UNAVAILABLE: a service or the broker does not answer.
    /// </exception>
    public async Task<ReleaseHoldsResponse> RunAsync(ReleaseHoldsRequest request, Action<long> released,
        CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        if (request.OrderIds.Count == 0)
            violations.Add("order_ids", "is missing");
        var ids = violations.Ids(request.OrderIds, "order_ids", MaxIds);
        violations.ThrowIfAny();

        var facts = (await services.Accounts.GetReservationFactsAsync(
            new GetReservationFactsRequest { OrderIds = { ids.Select(x => $"{x}") } },
            cancellationToken: cancellationToken)).Reservations.ToDictionary(x => Guid.Parse(x.OrderId));
        // The order was confirmed before it was lost: this message captures its funds.
        var answers = new Answers();
        var letters = await list.FindAsync(answers, cancellationToken);
        answers.ThrowIfAnyMissing();
        var dead = letters.Where(x => x.Cause.MessageType == OrderConfirmed)
            .SelectMany(x => x.OrderIds.Select(id => (Id: id, x.Cause.GroupId))).ToLookup(x => x.Id, x => x.GroupId);
        var response = new ReleaseHoldsResponse();
        foreach (var id in ids)
            if (await FindObjectionAsync(id, facts.GetValueOrDefault(id), dead[id].FirstOrDefault(), request,
                cancellationToken) is { } objection)
            {
                response.Kept.Add(new KeptHold { OrderId = $"{id}", Reason = objection });
            }
            else
            {
                response.Released.Add($"{id}");
                released(response.Released.Count);
            }

        return response;
    }

    /// <summary>Asks Order to release a hold; says why it is kept, or null.</summary>
    async Task<string?> FindObjectionAsync(Guid id, ReservationFacts? reservation, string? deadGroup,
        ReleaseHoldsRequest request, CancellationToken cancellationToken)
    {
        if (reservation is not { Status: "Held" })
            return reservation == null ? "Account has no reservation for this order"
                : $"the reservation is {reservation.Status}";
        if (deadGroup != null)
            return $"a dead letter says that the order is confirmed: run ops dead-letters replay {deadGroup}";
        try
        {
            await services.Orders.ReleaseHoldAsync(new ReleaseHoldRequest
            {
                OrderId = $"{id}",
                AccountId = reservation.AccountId,
                Amount = reservation.Amount,
                Operator = request.Operator,
                Reason = request.Reason,
            }, cancellationToken: cancellationToken);
            return null;
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.FailedPrecondition)
        {
            return e.Status.Detail;
        }
    }
}
