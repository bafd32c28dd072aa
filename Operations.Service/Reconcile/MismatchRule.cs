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
        var kind = KindOf(order?.State, reservation?.Status);
        if (kind == MismatchKind.ConfirmedNotCaptured && order!.IsWaiting
            && order.UpdateTime.ToDateTime() >= captureBefore)
            kind = default; // it is asked for again
        if (kind != default)
            return new FoundMismatch(id, kind, Describe(kind, order, reservation));
        return reservation == null ? null : FindInAmounts(id, order, reservation);
    }

    /// <summary>How an order and its reservation contradict each other; the default value if they do not.</summary>
    /// <param name="state">The state of the order; null if Order does not know it.</param>
    /// <param name="status">The status of the reservation; null if there is none.</param>
    public static MismatchKind KindOf(string? state, string? status) => (state, status) switch
    {
        (null or "Rejected" or "Cancelled", "Held") => MismatchKind.HoldWithoutLiveOrder,
        // Account refuses to release what it has captured, so an order that is Cancelling waits for ever.
        (null or "Rejected" or "Cancelling" or "Cancelled", "Captured") => MismatchKind.CapturedWithoutConfirmed,
        ("Confirmed", "Held") => MismatchKind.ConfirmedNotCaptured,
        ("Confirmed", "Released" or "Rejected") => MismatchKind.ConfirmedWithoutFunds,
        ("Confirmed" or "Rejected" or "Cancelled", null) => MismatchKind.OrderWithoutReservation,
        _ => default,
    };

    static string Describe(MismatchKind kind, OrderFacts? order, ReservationFacts? reservation)
    {
        var state = order == null ? "the order does not exist in Order" : $"the order is {order.State}";
        return kind switch
        {
            MismatchKind.HoldWithoutLiveOrder =>
                $"{Text(reservation!.Amount)} are held since {Text(reservation.CreateTime)}, and {state}",
            MismatchKind.CapturedWithoutConfirmed => $"{Text(reservation!.Amount)} are captured, and {state}",
            MismatchKind.ConfirmedNotCaptured =>
                $"{state} since {Text(order!.UpdateTime)}, and its funds are not captured yet",
            MismatchKind.ConfirmedWithoutFunds => $"{state}, and its reservation is {reservation!.Status}",
            _ => $"{state}, and Account has no reservation for it",
        };
    }

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

    static decimal Amount(Money? money) => money?.DecimalValue ?? 0;
}
