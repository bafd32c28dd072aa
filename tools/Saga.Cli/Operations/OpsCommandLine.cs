using System.CommandLine;

namespace Saga.Cli;

/// <summary>The commands for operators, which call Operations.Service.</summary>
static class OpsCommandLine
{
    public static Command Ops()
    {
        var connection = new OpsConnection();
        var command = new Command("ops", "Finds, explains and repairs what is stuck. Exit code 1: something does not "
            + "match or was not done; 2: the call has failed.")
        {
            OverviewCommand.Overview(connection),
            OrderCommands.Explain(connection),
            OrderCommands.Stuck(connection),
            OrderCommands.Redrive(connection),
            HoldCommands.Release(connection),
            DeadLetterCommands.DeadLetters(connection),
            QueueCommands.Queues(connection),
            QueueCommands.Pause(connection),
            QueueCommands.Resume(connection),
            ReportCommands.Reconcile(connection),
            ReportCommands.Report(connection),
            ReportCommands.Audit(connection),
            ExportCommand.Export(connection),
        };
        connection.AddTo(command);
        return command;
    }
}
