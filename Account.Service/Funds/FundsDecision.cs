using Contracts;

namespace Accounts;

/// <summary>The decision about one command.</summary>
/// <param name="Answer">
/// The event to send; null if there is none, because the decision is postponed or another command of the group answers.
/// </param>
/// <param name="IsPostponed">
/// True if the reservation has a status that only newer builds know, so that this build cannot decide.
/// </param>
public sealed record FundsDecision(object? Answer, bool IsPostponed = false)
{
    /// <summary>The decision about a capture that the answer to another capture of its group includes.</summary>
    static readonly FundsDecision IsAnswered = new(Answer: null);

    /// <summary>
    /// Replaces the answers of captures by one <see cref="OrdersCaptured" />, which the first of them sends. All
    /// decisions of a group commit together, so the answer is sent exactly if all funds are captured.
    /// </summary>
    public static void ShareAnswers(
        IReadOnlyList<FundsCommand> commands, List<(FundsDecision? Decision, Exception? Error)> decisions)
    {
        ArgumentNullException.ThrowIfNull(commands);
        ArgumentNullException.ThrowIfNull(decisions);
        List<Guid>? captured = null;
        for (var i = 0; i < commands.Count; i++)
        {
            if (!commands[i].SharesAnswer || decisions[i].Decision?.Answer is not FundsCaptured { OrderId: var id })
                continue;
            var isFirst = captured == null;
            captured ??= [];
            if (!captured.Contains(id))
                captured.Add(id);
            decisions[i] = (isFirst ? new FundsDecision(new OrdersCaptured(captured)) : IsAnswered, null);
        }
    }
}
