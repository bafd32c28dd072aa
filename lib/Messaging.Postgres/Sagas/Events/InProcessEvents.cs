using MassTransit;
using MassTransit.Context;

namespace Messaging.Postgres.Sagas;

/// <summary>Raises events in this process.</summary>
static class InProcessEvents
{
    /// <summary>
    /// Lets a state machine handle an event that no broker delivered; its messages go to the context's outbox.
    /// </summary>
    /// <returns>Whether the instance is completed: the state machine wants it to be deleted.</returns>
    public static async Task<bool> Raise<TSaga, TMessage>(this SagaStateMachine<TSaga> machine, TSaga instance,
        Event<TMessage> @event, TMessage message, InProcessReceiveContext received, IMessageScheduler scheduler,
        Headers? headers = null)
        where TSaga : class, SagaStateMachineInstance
        where TMessage : class
    {
        var consume = new MessageConsumeContext<TMessage>(
            new InProcessConsumeContext(received, scheduler, instance.CorrelationId, headers), message);
        var saga = new DefaultSagaConsumeContext<TSaga, TMessage>(consume, instance);
        var context = new MassTransitStateMachine<TSaga>.BehaviorContextProxy<TMessage>(machine, saga, saga, @event);
        await machine.RaiseEvent(context).ConfigureAwait(false);
        return await machine.IsCompleted(context).ConfigureAwait(false);
    }
}
