using Operations.V1;
using static Operations.StoryEvents;
using Money = Google.Type.Money;

namespace Operations;

/// <summary>
/// Compares an order with its reservation. Only what can never be right, or not for so long, is a mismatch: an order
/// that still waits for Account is late, but consistent.
/// </summary>
static class MismatchRule
{
    /// <summary>Finds the first mismatch of an order, or null.</summary>
    /// <param name="id">The order.</param>
    /// <param name="order">What Order knows, or null.</param>
    /// <param name="reservation">What Account knows, or null.</param>
    /// <param name="expectedBefore">
    /// What has changed since may still be on its way: nothing about it is a mismatch.
    /// </param>
    /// <param name="captureBefore">The same for the capture of a confirmed order, which a slow Account delays.</param>
    public static FoundMismatch? Find(Guid id, OrderFacts? order, ReservationFacts? reservation,
        DateTime expectedBefore, DateTime captureBefore)
    {
        if (order?.UpdateTime.ToDateTime() >= expectedBefore || reservation?.UpdateTime.ToDateTime() >= expectedBefore)
            return null;
        if (FindInStates(order, reservation, captureBefore) is var (kind, text) && kind != default)
            return new FoundMismatch(id, kind, text);
        return reservation == null ? null : FindInAmounts(id, order, reservation);
    }

    static (MismatchKind Kind, string Text) FindInStates(OrderFacts? order, ReservationFacts? reservation,
        DateTime captureBefore) => (order?.State, reservation?.Status) switch
        {
            (null, "Held") or ("Rejected" or "Cancelled", "Held") => (MismatchKind.HoldWithoutLiveOrder,
                $"{Text(reservation!.Amount)} are held since {Text(reservation.CreateTime)}, and the order "
                + (order == null ? "does not exist in Order" : $"is {order.State}")),
            (null or "Rejected" or "Cancelled", "Captured") => (MismatchKind.CapturedWithoutConfirmed,
                $"{Text(reservation!.Amount)} are captured, and the order "
                + (order == null ? "does not exist in Order" : $"is {order.State}")),
            // Account refuses to release what it has captured, so the order waits for ever.
            ("Cancelling", "Captured") => (MismatchKind.CapturedWithoutConfirmed,
                $"{Text(reservation!.Amount)} are captured, and the order is Cancelling"),
            ("Confirmed", "Held") when !order!.IsWaiting || order.UpdateTime.ToDateTime() < captureBefore =>
                (MismatchKind.ConfirmedNotCaptured, $"the order is Confirmed since {Text(order.UpdateTime)}, and its "
                    + "funds are not captured yet"),
            ("Confirmed", "Released" or "Rejected") => (MismatchKind.ConfirmedWithoutFunds,
                $"the order is Confirmed, and its reservation is {reservation!.Status}"),
            ("Confirmed" or "Rejected" or "Cancelled", null) => (MismatchKind.OrderWithoutReservation,
                $"the order is {order!.State}, and Account has no reservation for it"),
            _ => default,
        };

    static FoundMismatch? FindInAmounts(Guid id, OrderFacts? order, ReservationFacts reservation)
    {
        if (order != null && order.AccountId != reservation.AccountId)
            return new FoundMismatch(id, MismatchKind.AccountDiffers,
                $"the order is paid from account {order.AccountId}, its reservation from {reservation.AccountId}");
        if (order != null && reservation.Status is "Held" or "Captured" && !order!.Total.Equals(reservation.Amount))
            return new FoundMismatch(id, MismatchKind.AmountDiffers,
                $"the order's total is {Text(order.Total)}, its reservation {Text(reservation.Amount)}");
        var (held, released, captured) = (Amount(reservation.EntriesHeld), Amount(reservation.EntriesReleased),
            Amount(reservation.EntriesCaptured));
        var amount = Amount(reservation.Amount);
        var isRight = reservation.Status switch
        {
            "Held" => (held, released, captured) == (amount, 0, 0),
            "Captured" => (held, released, captured) == (amount, 0, amount),
            "Released" => held == released && captured == 0,
            "Rejected" => (held, released, captured) == (0, 0, 0),
            _ => true, // a state of a newer build
        };
        return isRight ? null : new FoundMismatch(id, MismatchKind.EntriesDoNotAddUp,
            $"the reservation over {Text(reservation.Amount)} is {reservation.Status}, and the ledger has entries "
            + $"of {held} held, {released} released, {captured} captured");
    }

    static decimal Amount(Money? money) => money == null ? 0 : money.Units + money.Nanos / 1_000_000_000m;
}
