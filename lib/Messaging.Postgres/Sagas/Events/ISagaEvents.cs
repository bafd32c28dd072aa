using MassTransit;

namespace Messaging.Postgres.Sagas;

/// <summary>
/// Raises an event on a saga instance outside a consumer, for example in an RPC. The state machine runs in the caller's
/// unit of work: what it sends, publishes, schedules and unschedules commits with the caller's changes, and so does the
/// deletion of an instance that the state machine has completed.
/// </summary>
public interface ISagaEvents<TSaga> where TSaga : class, SagaStateMachineInstance
{
    /// <summary>Raises the event on an instance that the scope's DbContext tracks.</summary>
    /// <param name="instance">The instance; a new one is in its initial state.</param>
    /// <param name="event">An event of the saga's state machine.</param>
    /// <param name="message">The data of the event.</param>
    /// <param name="cancellationToken">Cancels the activities of the state machine.</param>
    /// <exception cref="UnhandledEventException">
    /// The state machine does not handle the event in the instance's state.
    /// </exception>
    Task Raise<TMessage>(TSaga instance, Event<TMessage> @event, TMessage message, CancellationToken cancellationToken)
        where TMessage : class;
}
