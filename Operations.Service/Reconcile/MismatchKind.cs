namespace Operations;

/// <summary>In which way the two services do not match.</summary>
enum MismatchKind
{
    /// <summary>The order is confirmed, and its funds are still held.</summary>
    ConfirmedNotCaptured = 1,

    /// <summary>The order is confirmed, and its reservation holds nothing.</summary>
    ConfirmedWithoutFunds = 2,

    /// <summary>Funds are held, and the order has ended without them, or does not exist.</summary>
    HoldWithoutLiveOrder = 3,

    /// <summary>Funds are captured, and the order is not confirmed, or does not exist.</summary>
    CapturedWithoutConfirmed = 4,

    /// <summary>The reservation has another amount or currency than the order.</summary>
    AmountDiffers = 5,

    /// <summary>The reservation has another account than the order.</summary>
    AccountDiffers = 6,

    /// <summary>The ledger entries of the order are not those of its reservation.</summary>
    EntriesDoNotAddUp = 7,

    /// <summary>The order has ended, and Account has never decided about it.</summary>
    OrderWithoutReservation = 8,

    /// <summary>The ledger entries of an account do not lead to its balances.</summary>
    LedgerDoesNotReplay = 9,
}
