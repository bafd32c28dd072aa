using Messaging.Postgres.Commits;

namespace Saga.Simulation;

/// <summary>A simulated unit of work that waits for its commit.</summary>
/// <param name="transaction">What the unit commits.</param>
/// <param name="request">Its request to a batch step, or null.</param>
sealed class SimMember(SimTransaction transaction, StepRequest? request = null)
    : GroupMember(request)
{
    public SimTransaction Transaction => transaction;

    /// <summary>How often the unit has failed because another one waited for a locked row.</summary>
    public int LockTimeoutsOfOthers { get; set; }

    public override IReadOnlyList<object> Message { get; } =
        transaction.Consumed is { } consumed ? [consumed] : [];

    public override IReadOnlyList<object> Keys => transaction.Row is { } row ? [.. Message, row] : Message;
}
