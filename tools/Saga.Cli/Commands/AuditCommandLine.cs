using System.CommandLine;
using Saga.Audit;

namespace Saga.Cli;

/// <summary>The command that checks the invariants.</summary>
static class AuditCommandLine
{
    public static Command Audit()
    {
        var system = new SystemOptions();
        var settle = new Option<TimeSpan>("--settle")
        {
            Description = "The maximum time to wait until the system is idle.",
            DefaultValueFactory = _ => TimeSpan.FromSeconds(30),
        };
        var command = new Command("audit",
            "Checks I1 to I9 on both databases; exit code 1 on any violation.") { settle };
        system.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetResult(system.OrderDatabase) == null || result.GetResult(system.AccountDatabase) == null)
                result.AddError("--order-database and --account-database are required");
        });
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var broker = parsed.GetValue(system.RabbitMq) is { } address
                ? new BrokerQueues(address, parsed.GetValue(system.Management)) : null;
            var report = await new Auditor(parsed.GetValue(system.OrderDatabase)!,
                parsed.GetValue(system.AccountDatabase)!, broker)
                .AuditAsync(parsed.GetValue(settle), cancellationToken);
            report.Print();
            return report.Violations.Count == 0 ? 0 : 1;
        });
        return command;
    }
}
