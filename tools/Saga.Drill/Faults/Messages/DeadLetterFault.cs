using Operations.V1;

namespace Saga.Drill;

/// <summary>A fault that leaves dead letters of one group.</summary>
/// <param name="plant">The system.</param>
/// <param name="kind">What becomes of the messages.</param>
/// <param name="queue">The queue of the messages.</param>
/// <param name="mend">The command for the group: replay or discard.</param>
abstract class DeadLetterFault(DrillPlant plant, DeadLetterKind kind, string queue, string mend) : DrillFault(plant)
{
    string? _group;

    /// <summary>The queue of the messages.</summary>
    protected string Queue { get; } = queue;

    public override async Task<string?> FindSignAsync(CancellationToken cancellationToken)
    {
        if ((await Plant.ListDeadLettersAsync(cancellationToken)).FirstOrDefault(x => x.Kind == kind
            && (OrderId == null || x.Messages.Any(y => y.OrderIds.Contains(OrderId)))) is not { } group)
            return null;
        _group = group.GroupId;
        return $"dead letters: {group.Count} {group.Kind} in {group.Queue}";
    }

    public override Task<string> MendAsync(string explanation, CancellationToken cancellationToken) =>
        RunAsync(cancellationToken, "dead-letters", mend, _group!);

    /// <summary>Deletes the dead letters, if a step has failed.</summary>
    public override async Task CleanUpAsync()
    {
        await Plant.Broker.PurgeAsync($"{Queue}_error");
        await Plant.Broker.PurgeAsync($"{Queue}_skipped");
    }
}
