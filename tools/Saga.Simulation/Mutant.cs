namespace Saga.Simulation;

/// <summary>
/// A guarantee that is switched off in the simulation, to prove that the checks detect its absence. The production
/// code has no such switch.
/// </summary>
public enum Mutant
{
    /// <summary>All guarantees are on.</summary>
    None,

    /// <summary>The inbox does not remember consumed messages.</summary>
    InboxOff,

    /// <summary>A release that arrives before its reservation leaves no tombstone.</summary>
    TombstoneOff,

    /// <summary>An order can have more than one reservation.</summary>
    UniqueReservationOff,

    /// <summary>A rejected reservation is not stored.</summary>
    RejectedForgotten,

    /// <summary>Messages are sent before the handler's transaction commits.</summary>
    SendBeforeCommit,

    /// <summary>
    /// A delivery is acknowledged and its outbox rows are deleted before the broker confirms the messages.
    /// </summary>
    AckBeforeConfirm,

    /// <summary>Messages that a crash left in the outbox are never sent.</summary>
    RecoveryOff,

    /// <summary>The messages of a dead replica are not adopted by others.</summary>
    AdoptionOff,

    /// <summary>A replica does not look for own messages whose commit had lost its response.</summary>
    LostCommitsOff,

    /// <summary>A timeout with a stale token is accepted.</summary>
    StaleTimeoutsAccepted,

    /// <summary>The messages of an RPC are deleted from the outbox before the broker confirms them.</summary>
    RpcMessagesDeletedBeforeConfirm,

    /// <summary>A retry after a conflict reuses the entity of the failed attempt.</summary>
    RetryInsideTransaction,

    /// <summary>Order never asks Account again for an answer that was lost.</summary>
    ResendOff,

    /// <summary>A batch is acknowledged when its first message is settled.</summary>
    BatchAckedByFirstMember,

    /// <summary>The inbox knows the messages of a batch by the batch's id alone.</summary>
    BatchKeyedAsOne,

    /// <summary>A group counts as committed although its commit has lost its response.</summary>
    LostGroupsTrusted,

    /// <summary>A group commits the decision about a message whose handler has failed after it.</summary>
    FailedHandlersCommitted,

    /// <summary>The locks of a group end before its commit.</summary>
    LocksEndBeforeCommit,

    /// <summary>Units that wait for a locked row are not separated from those for other rows.</summary>
    QuarantineShared,

    /// <summary>Messages of replicas that live are adopted by others.</summary>
    AdoptsFromTheLiving,

    /// <summary>Of several partitions, funds are released in that of the order, not in that of the account.</summary>
    PartitionedByOrder,
}
