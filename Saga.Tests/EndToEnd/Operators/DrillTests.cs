using Saga.Drill;
using Saga.Tests.Support;
using Spectre.Console;

namespace Saga.Tests.EndToEnd.Operators;

/// <summary>Every fault of the drill, and whether the drill notices that a step has failed.</summary>
[TestFixture, Category("Long")]
public sealed class When_an_operator_meets_the_faults_of_the_drill
{
    [Test]
    public async Task Should_see_explain_and_mend_each_and_leave_nothing_behind()
    {
        var output = new StringWriter();
        var code = await new DrillCommand(ConsoleOf(output), only: "").RunAsync(await TestServers.GetAsync(), default);
        await TestContext.Progress.WriteLineAsync($"{output}");
        Assert.That(code, Is.Zero, $"{output}");
    }

    static IAnsiConsole ConsoleOf(TextWriter output)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        console.Profile.Width = 300;
        return console;
    }
}
