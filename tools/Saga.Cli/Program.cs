using System.CommandLine;
using Saga.Cli;

var root = new RootCommand("Runs the order saga, loads it, breaks it, and checks that no cent is lost or doubled.")
{
    UpCommandLine.Up(),
    LoadCommandLine.Load(),
    LoadCommandLine.Sweep(),
    LoadCommandLine.Overload(),
    LoadCommandLine.Recovery(),
    LoadCommandLine.Compare(),
    AttackCommandLine.Attack(),
    SimulationCommandLine.Simulate(),
    SimulationCommandLine.Mutants(),
    AuditCommandLine.Audit(),
    UpCommandLine.Servers(),
    ComposeCommandLine.Compose(),
    ComposeCommandLine.Smoke(),
};
var parsed = root.Parse(args);
// A load is driven by one pool thread (Saga.Cli.csproj). These compute, or proxy the system's connections.
if (parsed.CommandResult.Command.Name is "simulate" or "mutants" or "attack")
    ThreadPool.SetMinThreads(Environment.ProcessorCount, Environment.ProcessorCount);
return await parsed.InvokeAsync();
