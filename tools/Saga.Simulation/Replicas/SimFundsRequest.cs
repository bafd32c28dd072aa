using Accounts;
using Messaging.Postgres.Commits;

namespace Saga.Simulation;

/// <summary>A command that waits for the decision of its group.</summary>
/// <param name="command">The command.</param>
/// <param name="step">The step of the replica.</param>
/// <param name="row">The row whose lock the command needs.</param>
/// <param name="later">Runs continuations.</param>
sealed class SimFundsRequest(FundsCommand command, object step, object row, RunLater later)
    : StepRequest<FundsDecision>(step, row, later, TaskCreationOptions.None)
{
    public FundsCommand Command => command;
}
