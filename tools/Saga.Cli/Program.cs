using System.CommandLine;
using Saga.Cli;

var root = new RootCommand("Runs the order saga, measures it, injects faults, and checks its invariants.")
{
    UpCommandLine.Up(),
    LoadCommandLine.Load(),
    LoadCommandLine.Sweep(),
    LoadCommandLine.Overload(),
    LoadCommandLine.Snapshot(),
    LoadCommandLine.Reconciliation(),
    LoadCommandLine.Recovery(),
    LoadCommandLine.Compare(),
    AttackCommandLine.Attack(),
    DrillCommandLine.Drill(),
    FuzzCommandLine.Fuzz(),
    SimulationCommandLine.Simulate(),
    SimulationCommandLine.Mutants(),
    AuditCommandLine.Audit(),
    OpsCommandLine.Ops(),
    UpCommandLine.Servers(),
    UpCommandLine.Certificates(),
    ComposeCommandLine.Compose(),
    ComposeCommandLine.Smoke(),
};
var parsed = root.Parse(args);
// Loads run on one pool thread (Saga.Cli.csproj); these commands compute or forward connections and need all
// processors.
if (parsed.CommandResult.Command.Name is "simulate" or "mutants" or "attack" or "drill" or "fuzz")
    ThreadPool.SetMinThreads(Environment.ProcessorCount, Environment.ProcessorCount);
// A command that is interrupted stops its servers and services first; services alone may take eight seconds.
return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromMinutes(1) });
