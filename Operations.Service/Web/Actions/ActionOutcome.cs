namespace Operations.Web;

/// <summary>What an action has changed.</summary>
/// <param name="Text">A sentence.</param>
/// <param name="IsComplete">Whether it has changed everything that was asked for.</param>
public sealed record ActionOutcome(string Text, bool IsComplete = true);
