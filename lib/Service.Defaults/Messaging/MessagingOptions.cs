using System.ComponentModel.DataAnnotations;

namespace Service.Defaults;

/// <summary>Settings of a service's receive endpoints; section <c>Messaging</c> of its configuration.</summary>
public sealed class MessagingOptions
{
    /// <summary>
    /// Declares replicated queues, for a broker cluster or a broker whose default queue type is quorum. An existing
    /// queue keeps its type. Default: false.
    /// </summary>
    public bool QuorumQueues { get; set; }

    /// <summary>The maximum number of unacknowledged messages for each queue of each replica. Default: 400.</summary>
    [Range(1, 10_000)]
    public int Prefetch { get; set; } = 400;

    /// <summary>
    /// The maximum number of messages in concurrent handlers, for each queue of each replica. Handlers must not block:
    /// a blocking handler delays all other messages of its queue. Default: 200.
    /// </summary>
    [Range(1, 1_000)]
    public int Concurrency { get; set; } = 200;

    /// <summary>
    /// Sends messages for the other service that wait at the same time as one AMQP message, while that service is ready
    /// to receive them so; and receives them. Default: true.
    /// </summary>
    public bool Batches { get; set; } = true;

    /// <summary>
    /// The broker's users whose messages are accepted, besides the service's own: the user of the other service.
    /// Messages of others are moved to the error queue. Default: none.
    /// </summary>
    public IReadOnlyList<string> Senders { get; set; } = [];

    /// <summary>
    /// The broker's users who return messages from an error queue, whose first sender counts. Default: none.
    /// </summary>
    public IReadOnlyList<string> Replayers { get; set; } = [];

    /// <summary>
    /// Accepts messages without a sender: during the upgrade from a build that does not sign its messages. Default:
    /// false.
    /// </summary>
    public bool AcceptUnsigned { get; set; }

    /// <summary>The time for which the inbox detects duplicates of a message. Default: one day.</summary>
    public TimeSpan DuplicateDetectionWindow { get; set; } = TimeSpan.FromDays(1);
}
