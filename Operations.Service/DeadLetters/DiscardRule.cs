using Operations.V1;

namespace Operations;

/// <summary>
/// Decides whether a message can be deleted. No order depends on one message while it waits: Order asks Account again
/// until it has the answer. An order that has ended needs none, provided that its funds are as they should be.
/// </summary>
static class DiscardRule
{
    /// <summary>Says why a message about an order must be kept, or null.</summary>
    /// <param name="orderId">The order.</param>
    /// <param name="order">What Order knows about it, or null.</param>
    /// <param name="reservation">What Account knows about it, or null.</param>
    public static string? WhyNeeded(Guid orderId, OrderFacts? order, ReservationFacts? reservation)
    {
        var held = reservation?.Status == "Held";
        if (order == null)
            return held ? $"Order does not know order {orderId}, so it never asks again, and Account holds funds for it"
                : null;
        if (order.IsWaiting)
            return null;
        var isSettled = order.State switch
        {
            "Confirmed" => reservation?.Status == "Captured",
            // Without a reservation, a late ReserveFunds would hold funds for ever.
            "Rejected" or "Cancelled" => reservation?.Status is "Rejected" or "Released",
            _ => false,
        };
        return isSettled ? null : $"order {orderId} is {order.State} and does not ask Account again, and its "
            + $"reservation is {reservation?.Status ?? "missing"}: this message may be what is missing";
    }
}
