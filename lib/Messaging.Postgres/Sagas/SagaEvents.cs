using MassTransit;
using MassTransit.Context;
using MassTransit.DependencyInjection;
using Messaging.Postgres.Outbox;

namespace Messaging.Postgres.Sagas;

/// <summary>
/// Raises an event on a saga instance outside a message, for example in an RPC: the machine's own rules run in the
/// caller's unit of work, and what they send, publish, schedule and unschedule commits with the caller's changes.
/// </summary>
public interface ISagaEvents<TSaga> where TSaga : class, SagaStateMachineInstance
{
    /// <summary>Raises the event on an instance that the scope's DbContext tracks.</summary>
    /// <param name="instance">The instance; a new one has no state yet.</param>
    /// <param name="event">An event of the saga's machine.</param>
    /// <param name="message">The event's data.</param>
    /// <param name="cancellationToken">Cancels what the machine awaits.</param>
    /// <exception cref="UnhandledEventException">The machine has no such event in the instance's state.</exception>
    Task Raise<TMessage>(TSaga instance, Event<TMessage> @event, TMessage message, CancellationToken cancellationToken)
        where TMessage : class;
}

sealed class SagaEvents<TSaga>(
    SagaStateMachine<TSaga> machine,
    IScopedBusContextProvider<IBus> outbox,
    IMessageScheduler scheduler,
    IBus bus,
    IEndpointNameFormatter names) : ISagaEvents<TSaga>
    where TSaga : class, SagaStateMachineInstance
{
    public async Task Raise<TMessage>(TSaga instance, Event<TMessage> @event, TMessage message, CancellationToken cancellationToken)
        where TMessage : class
    {
        var endpoints = outbox.Context as IOutboxEndpoints ?? throw new InvalidOperationException(
            "Events are raised outside consumers, on a bus whose outbox has UseBusOutbox");
        var self = new Uri($"exchange:{names.Saga<TSaga>()}");
        var received = new InProcessReceiveContext(self, endpoints, bus.Topology, cancellationToken);
        await machine.Raise(instance, @event, message, received, scheduler).ConfigureAwait(false);
    }
}

static class LocalEvents
{
    /// <summary>Runs the machine's rules for an event that no broker delivered; what they send goes to the context's outbox.</summary>
    public static Task Raise<TSaga, TMessage>(this SagaStateMachine<TSaga> machine, TSaga instance, Event<TMessage> @event,
        TMessage message, InProcessReceiveContext received, IMessageScheduler scheduler, Headers? headers = null)
        where TSaga : class, SagaStateMachineInstance
        where TMessage : class
    {
        var consume = new MessageConsumeContext<TMessage>(
            new InProcessConsumeContext(received, scheduler, instance.CorrelationId, headers), message);
        var saga = new DefaultSagaConsumeContext<TSaga, TMessage>(consume, instance);
        return machine.RaiseEvent(new MassTransitStateMachine<TSaga>.BehaviorContextProxy<TMessage>(machine, saga, saga, @event));
    }
}
