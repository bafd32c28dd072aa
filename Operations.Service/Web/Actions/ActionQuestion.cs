namespace Operations.Web;

/// <summary>What an operator confirms before an action runs.</summary>
/// <param name="Title">What the action is.</param>
/// <param name="Text">How many of what it changes, and which, for a limit; 0 is none.</param>
/// <param name="RunAsync">Runs it.</param>
public sealed record ActionQuestion(string Title, Func<int, string> Text, Func<ActionRun, Task<ActionOutcome>> RunAsync)
{
    /// <summary>Whether the operator chooses how much is changed at most.</summary>
    public bool HasLimit { get; init; }

    /// <summary>Whether the operator chooses how much is changed per second.</summary>
    public bool HasRate { get; init; }
}
