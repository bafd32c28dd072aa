using System.CommandLine;
using Google.Type;
using Operations.V1;
using Spectre.Console;

namespace Saga.Cli;

/// <summary>The commands that compare, sum and list.</summary>
static class ReportCommands
{
    public static Command Reconcile(OpsConnection connection)
    {
        var command = new Command("reconcile", "Shows how far both services are compared, and what does not match.");
        connection.SetAction(command, async (client, run, _) =>
        {
            var result = await client.GetReconciliationAsync(new GetReconciliationRequest(),
                cancellationToken: run.CancellationToken);
            run.Write(result, () =>
            {
                var progress = OpsRun.NewTable("compared", "in this round", "in all", "rounds", "last round",
                    "last page");
                foreach (var x in result.Progress)
                    progress.AddRow(x.Subject, $"{x.CheckedInRound}", $"{x.Checked}", $"{x.Rounds}",
                        OpsRun.Text(x.RoundTime), OpsRun.Text(x.CheckTime));
                run.Write(progress, "Nothing has been compared yet.");
                var table = OpsRun.NewTable("order or account", "kind", "found", "what", "how to mend it");
                foreach (var x in result.Mismatches)
                    table.AddRow(x.SubjectId, x.Kind, OpsRun.Text(x.FindTime), x.Description.EscapeMarkup(),
                        x.Mend.EscapeMarkup());
                run.Write(table, "Everything that was compared matches.");
            });
            return result.Mismatches.Count == 0 ? OpsConnection.Done : OpsConnection.Found;
        });
        return command;
    }

    public static Command Report(OpsConnection connection)
    {
        var day = new Option<DateOnly?>("--day")
        {
            Description = "The day in UTC, such as 2026-11-29; today by default.",
        };
        var command = new Command("report", "Sums a day by currency, in both services.") { day };
        connection.SetAction(command, async (client, run, parsed) =>
        {
            var report = await client.GetReportAsync(new GetReportRequest
            {
                Day = parsed.GetValue(day) is { } x ? new Date { Year = x.Year, Month = x.Month, Day = x.Day } : null,
            }, cancellationToken: run.CancellationToken);
            run.Write(report, () =>
            {
                var orders = OpsRun.NewTable("orders", "state", "reason", "total");
                foreach (var x in report.Orders)
                    orders.AddRow($"{x.Count}", x.State, x.Reason, OpsRun.Text(x.Total));
                run.Write(orders, "No orders were placed.");
                var ledger = OpsRun.NewTable("currency", "deposits", "holds", "releases", "captures", "refused",
                    "available", "held", "captured", "all deposits");
                foreach (var x in report.Ledger)
                    ledger.AddRow(x.CurrencyCode, OpsRun.Text(x.Deposits), OpsRun.Text(x.Holds),
                        OpsRun.Text(x.Releases), OpsRun.Text(x.Captures), $"{x.Rejections}",
                        OpsRun.Text(x.AvailableAfter), OpsRun.Text(x.HeldAfter), OpsRun.Text(x.CapturedAfter),
                        OpsRun.Text(x.DepositsUntil));
                run.Write(ledger, "The ledger has no entries.");
                foreach (var currency in report.Violations)
                    run.Console.MarkupLineInterpolated(
                        $"[red]{currency}: the deposits are not what is available, held and captured (I1)[/]");
            });
            return report.Violations.Count == 0 ? OpsConnection.Done : OpsConnection.Found;
        });
        return command;
    }

    public static Command Audit(OpsConnection connection)
    {
        var lines = CliOptions.Count("--lines", "How many lines to show, the newest.", 50);
        var command = new Command("audit", "Lists what operators have done.") { lines };
        connection.SetAction(command, async (client, run, parsed) =>
        {
            var list = await client.ListAuditAsync(new ListAuditRequest { PageSize = parsed.GetValue(lines) },
                cancellationToken: run.CancellationToken);
            run.Write(list, () =>
            {
                var table = OpsRun.NewTable("time", "operator", "action", "target", "outcome", "count", "reason");
                foreach (var x in list.Records)
                    table.AddRow(OpsRun.Text(x.Time), x.Operator.EscapeMarkup(), x.Action, x.Target.EscapeMarkup(),
                        $"{x.Outcome} {x.Detail}".Trim().EscapeMarkup(), $"{x.Count}", x.Reason.EscapeMarkup());
                run.Write(table, "Nothing was done.");
            });
            return OpsConnection.Done;
        });
        return command;
    }
}
