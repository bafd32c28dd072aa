namespace Saga.Attack;

/// <summary>A fault that can be injected.</summary>
/// <param name="Kind">The name in the table of results.</param>
/// <param name="InjectAsync">
/// Injects the fault and completes when the system should serve again; false if it could not be injected this time.
/// </param>
sealed record Fault(string Kind, Func<Task<bool>> InjectAsync)
{
    /// <summary>Repairs what the system does without; null if nothing is left to repair.</summary>
    public Func<Task>? RepairAsync { get; init; }

    /// <summary>How long the system may take to serve again; more is a violation. Null for no limit.</summary>
    public TimeSpan? MaxRecovery { get; init; }

    /// <summary>A fault that can always be injected.</summary>
    public static Fault Of(string kind, Func<Task> injectAsync) => new(kind, async () =>
    {
        await injectAsync();
        return true;
    });

    /// <summary>Repeats faults without end, in a random order: every fault once before any fault repeats.</summary>
    public static IEnumerable<Fault> Shuffled(IReadOnlyList<Fault> kinds, Random random)
    {
        while (true)
        {
            var round = kinds.ToArray();
            random.Shuffle(round);
            foreach (var fault in round)
                yield return fault;
        }
    }
}
