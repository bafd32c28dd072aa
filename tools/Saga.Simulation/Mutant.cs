namespace Saga.Simulation;

/// <summary>
/// One guarantee switched off, in the simulated servers around the real rules: to prove that the checks have teeth.
/// The shipped services have none of these switches.
/// </summary>
public enum Mutant
{
    /// <summary>Everything as it is shipped.</summary>
    None,

    /// <summary>The inbox remembers nothing.</summary>
    InboxOff,

    /// <summary>A release that comes first leaves no tombstone.</summary>
    TombstoneOff,

    /// <summary>A reservation is not unique by its order.</summary>
    UniqueReservationOff,

    /// <summary>A rejected reservation is not kept.</summary>
    RejectedForgotten,

    /// <summary>What a handler captured is sent before its commit.</summary>
    SendBeforeCommit,

    /// <summary>A delivery is acknowledged, and its messages are taken for sent, without the broker's word.</summary>
    AckBeforeConfirm,

    /// <summary>Nothing looks for messages that a crash left behind.</summary>
    RecoveryOff,

    /// <summary>A timeout is believed whatever its token.</summary>
    StaleTimeoutsAccepted,

    /// <summary>The relay deletes the rows of its messages before they are confirmed.</summary>
    RelayDeletesBeforeConfirm,

    /// <summary>A conflict is tried again with what the failed try left in memory.</summary>
    RetryInsideTransaction,
}
