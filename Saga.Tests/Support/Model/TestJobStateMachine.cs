using System.Collections.Concurrent;
using MassTransit;

namespace Saga.Tests.Support.Model;

public sealed record AdvanceJob(Guid Id);

public sealed record InspectJob(Guid Id);

public sealed record RepairJob(Guid Id);

/// <summary>
/// Handles each message differently in the states Active and Suspended, so that a test can tell which state the
/// handler has seen: an active job counts 1 per advance, ignores inspections and fails on repairs; a suspended job
/// counts 10, 100 and 1000.
/// </summary>
public sealed class TestJobStateMachine : MassTransitStateMachine<Job>
{
    public TestJobStateMachine()
    {
        InstanceState(x => x.CurrentState);
        Event(() => Advance, x => x.CorrelateById(m => m.Message.Id));
        Event(() => Inspect, x => x.CorrelateById(m => m.Message.Id));
        Event(() => Repair, x => x.CorrelateById(m => m.Message.Id));
        During(Active,
            When(Advance).Then(x =>
            {
                x.Saga.Count++;
                Advances.AddOrUpdate(x.Saga.CorrelationId, 1, (_, n) => n + 1);
            }),
            When(Repair).Then(_ => throw new InvalidOperationException("nothing to repair")), // never retried
            Ignore(Inspect));
        During(Suspended,
            When(Advance).Then(x => x.Saga.Count += 10),
            When(Inspect).Then(x => x.Saga.Count += 100),
            When(Repair).Then(x => x.Saga.Count += 1000));
    }

    /// <summary>The number of advances of each active job, including those that were rolled back.</summary>
    public static ConcurrentDictionary<Guid, int> Advances { get; } = new();

    public State Active { get; private set; } = null!;
    public State Suspended { get; private set; } = null!;
    public Event<AdvanceJob> Advance { get; private set; } = null!;
    public Event<InspectJob> Inspect { get; private set; } = null!;
    public Event<RepairJob> Repair { get; private set; } = null!;
}
