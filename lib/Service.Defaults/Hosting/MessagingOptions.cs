using System.ComponentModel.DataAnnotations;

namespace Service.Defaults;

/// <summary>How a service receives messages; section <c>Messaging</c> of its configuration.</summary>
public sealed class MessagingOptions
{
    /// <summary>Replicated queues, for a broker cluster, or where the broker's default kind is that. Queues keep the kind they were first declared with.</summary>
    public bool QuorumQueues { get; set; }

    /// <summary>How many messages the broker sends ahead, for each queue of each replica.</summary>
    [Range(1, 10_000)]
    public int Prefetch { get; set; } = 400;

    /// <summary>How many messages are handled at once, for each queue of each replica; of handlers that block, one.</summary>
    [Range(1, 1_000)]
    public int Concurrency { get; set; } = 200;

    /// <summary>How long the inbox remembers a message.</summary>
    public TimeSpan DuplicateDetectionWindow { get; set; } = TimeSpan.FromDays(1);
}
