namespace Saga.Attack;

/// <summary>A fault that can be injected.</summary>
/// <param name="Kind">The name in the table of results.</param>
/// <param name="InjectAsync">
/// Injects the fault and completes when it is repaired; false if it could not be injected this time.
/// </param>
sealed record Fault(string Kind, Func<Task<bool>> InjectAsync)
{
    /// <summary>A fault that can always be injected.</summary>
    public static Fault Of(string kind, Func<Task> injectAsync) => new(kind, async () =>
    {
        await injectAsync();
        return true;
    });
}
