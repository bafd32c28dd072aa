namespace Operations;

/// <summary>Says how an operator mends a mismatch.</summary>
static class Mends
{
    /// <summary>The sentence for a kind.</summary>
    public static string Of(MismatchKind kind) => kind switch
    {
        MismatchKind.ConfirmedNotCaptured =>
            "Order asks Account again while it waits: run ops explain, remove the cause, then ops redrive. If it does "
            + "not wait any more, one of the databases was restored from a backup.",
        MismatchKind.ConfirmedWithoutFunds =>
            "The customer has been told that the order is paid, and it is not: decide with the business, and reserve "
            + "the amount by a new order or refund it.",
        MismatchKind.HoldWithoutLiveOrder =>
            "Nobody will capture or release these funds. If Order was restored from a backup and its customer has been "
            + "told that the order is paid, restore the order; otherwise run: ops release-hold with the order's id.",
        MismatchKind.CapturedWithoutConfirmed =>
            "The customer has paid for an order that is not confirmed: if Order was restored from a backup, restore "
            + "the order; otherwise refund the amount.",
        MismatchKind.AmountDiffers or MismatchKind.AccountDiffers =>
            "A row was changed by hand or restored from a backup: compare it with the ledger, which is never changed.",
        MismatchKind.EntriesDoNotAddUp or MismatchKind.LedgerDoesNotReplay =>
            "A balance or reservation was changed by hand or restored from a backup: the ledger is right, because its "
            + "entries are never changed.",
        MismatchKind.OrderWithoutReservation =>
            "Account was restored from a backup: restore it to a later time, or decide about the order by hand.",
        _ => "Run ops explain.",
    };
}
