using System.Text;
using MassTransit;
using MassTransit.SagaStateMachine;
using Microsoft.Extensions.Options;
using Orders;
using Saga.Tests.Support;

namespace Saga.Tests.Orders;

/// <summary>Draws the state machine of the saga as a Mermaid diagram.</summary>
static class StateDiagram
{
    public static string Of(OrderStateMachine machine)
    {
        var graph = machine.GetGraph();
        var text = new StringBuilder("stateDiagram-v2\n");
        text.Append("    [*] --> Initial\n");
        var toStates = graph.Edges.Where(x => x.To.VertexType == typeof(State)).ToList();
        foreach (var toEvent in graph.Edges.Where(x => x.To.VertexType == typeof(Event)))
            foreach (var toState in toStates.Where(x => x.From.Equals(toEvent.To)))
                if (!toEvent.From.Equals(toState.To))
                    text.Append($"    {toEvent.From.Title} --> {toState.To.Title} : {EventName(toEvent.To.Title)}\n");
        foreach (var state in new[] { machine.Confirmed, machine.Rejected, machine.Cancelled })
            text.Append($"    {state.Name} --> [*]\n");
        return text.ToString();
    }

    static string EventName(string title) =>
        title.StartsWith("ReservationTimeout", StringComparison.Ordinal) ? nameof(ReservationTimedOut) : title;
}

[TestFixture, Category("Unit")]
public sealed class When_the_state_machine_changes
{
    [Test]
    public void Should_match_the_diagram_in_the_readme()
    {
        var machine = new OrderStateMachine(Options.Create(new SagaOptions()), TimeProvider.System);
        var diagram = StateDiagram.Of(machine);
        var readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        Assert.That(readme, Does.Contain($"```mermaid\n{diagram}```"),
            $"the diagram in README.md is stale; it should be:\n{diagram}");
    }
}
