namespace Accounts;

/// <summary>The status of a reservation.</summary>
public enum ReservationStatus
{
    /// <summary>The amount is held on the account.</summary>
    Held = 1,

    /// <summary>The amount is spent.</summary>
    Captured = 2,

    /// <summary>The amount was released, or never held because the release arrived first.</summary>
    Released = 3,

    /// <summary>The amount was never held, because the account could not pay.</summary>
    Rejected = 4,
}
