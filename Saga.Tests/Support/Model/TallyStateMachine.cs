using MassTransit;

namespace Saga.Tests.Support.Model;

public sealed record IncrementTally(Guid Id, string Name);

public sealed record IncrementTalliesByName(string Name);

public sealed record ScheduleReminder(Guid Id, TimeSpan Delay);

public sealed record ReminderDue(Guid Id);

public sealed record CancelReminder(Guid Id);

public sealed record CompleteTally(Guid Id);

/// <summary>
/// Counts 1 for each <see cref="IncrementTally" />, 10 for each <see cref="IncrementTalliesByName" /> and 100 for each
/// <see cref="ReminderDue" />.
/// </summary>
public sealed class TallyStateMachine : MassTransitStateMachine<Tally>
{
    public TallyStateMachine()
    {
        InstanceState(x => x.CurrentState);
        Event(() => Increment, x => x.CorrelateById(m => m.Message.Id));
        Event(() => IncrementByName, x => x.CorrelateBy((saga, context) => saga.Name == context.Message.Name));
        Event(() => ScheduleReminder, x => x.CorrelateById(m => m.Message.Id));
        Event(() => CancelReminder, x => x.CorrelateById(m => m.Message.Id));
        Event(() => Complete, x => x.CorrelateById(m => m.Message.Id));
        Schedule(() => Reminder, x => x.ReminderToken, s => s.Received = x => x.CorrelateById(m => m.Message.Id));
        Initially(When(Increment)
            .Then(x => (x.Saga.Name, x.Saga.Count) = (x.Message.Name, 1)).TransitionTo(Counting));
        During(Counting,
            When(Increment).Then(x => x.Saga.Count++),
            When(IncrementByName).Then(x => x.Saga.Count += 10),
            When(ScheduleReminder)
                .Schedule(Reminder, x => new ReminderDue(x.Saga.CorrelationId), x => x.Message.Delay),
            When(CancelReminder).Unschedule(Reminder),
            When(Reminder.Received).Then(x => x.Saga.Count += 100),
            When(Complete).Finalize());
        SetCompletedWhenFinalized();
    }

    public State Counting { get; private set; } = null!;
    public Event<IncrementTally> Increment { get; private set; } = null!;
    public Event<IncrementTalliesByName> IncrementByName { get; private set; } = null!;
    public Event<ScheduleReminder> ScheduleReminder { get; private set; } = null!;
    public Event<CancelReminder> CancelReminder { get; private set; } = null!;
    public Event<CompleteTally> Complete { get; private set; } = null!;
    public Schedule<Tally, ReminderDue> Reminder { get; private set; } = null!;
}
