namespace Saga.Drill;

/// <summary>A fault of the drill: how it is injected, how it shows, and what an operator does about it.</summary>
/// <param name="plant">The system.</param>
abstract class DrillFault(DrillPlant plant)
{
    /// <summary>The fault in a few words.</summary>
    public abstract string Name { get; }

    /// <summary>What `ops explain` of the order, or the list of dead letters, must say: the cause.</summary>
    public abstract string Cause { get; }

    /// <summary>The order that the fault concerns; null if there is none.</summary>
    public string? OrderId { get; protected set; }

    /// <summary>The system.</summary>
    protected DrillPlant Plant { get; } = plant;

    /// <summary>Injects the fault.</summary>
    public abstract Task InjectAsync(CancellationToken cancellationToken);

    /// <summary>Asks Operations.Service for a sign of the fault.</summary>
    /// <returns>What shows it; null while nothing does.</returns>
    public abstract Task<string?> FindSignAsync(CancellationToken cancellationToken);

    /// <summary>Removes the cause, where operators must do that elsewhere before their command.</summary>
    public virtual Task RemoveCauseAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Mends the effects by one command.</summary>
    /// <param name="explanation">What `ops explain` or the list has said.</param>
    /// <param name="cancellationToken">Cancels the command.</param>
    /// <returns>The command.</returns>
    /// <exception cref="DrillException">The command has failed.</exception>
    public abstract Task<string> MendAsync(string explanation, CancellationToken cancellationToken);

    /// <summary>Leaves nothing of the fault behind, also after a step has failed.</summary>
    public virtual Task CleanUpAsync() => Task.CompletedTask;

    /// <summary>Whether the oldest stuck orders contain that of the fault.</summary>
    protected async Task<string?> FindStuckAsync(CancellationToken cancellationToken)
    {
        var stuck = await Plant.ListStuckAsync(cancellationToken);
        return stuck.Orders.FirstOrDefault(x => x.OrderIds.Contains(OrderId)) is { } group
            ? $"stuck: waits for {group.Message}" : null;
    }

    /// <summary>Runs a command for operators, which must succeed.</summary>
    /// <returns>The command as it was typed.</returns>
    protected async Task<string> RunAsync(CancellationToken cancellationToken, params string[] command)
    {
        var (code, output, error) = await Plant.Ops.RunAsync(
            [.. command, "--reason", "a drill", "--operator", "drill", "--yes"], cancellationToken);
        var text = $"ops {string.Join(' ', command)}";
        return code == 0 ? text : throw new DrillException($"{text} has ended with {code}: {output}{error}");
    }
}
