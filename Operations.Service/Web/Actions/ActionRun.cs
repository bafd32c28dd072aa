namespace Operations.Web;

/// <summary>One run of an action that an operator has confirmed.</summary>
/// <param name="Operator">Who asks.</param>
/// <param name="Reason">Why.</param>
/// <param name="Limit">How much is changed at most; 0: all.</param>
/// <param name="Rate">How much is changed per second.</param>
/// <param name="ReportAsync">Shows how much is done of how much, and a sentence.</param>
/// <param name="CancellationToken">Cancelled when the operator stops the action or leaves the page.</param>
public sealed record ActionRun(string Operator, string Reason, int Limit, int Rate,
    Func<long, long, string, Task> ReportAsync, CancellationToken CancellationToken);
