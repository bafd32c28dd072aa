using MassTransit;
using MassTransit.DependencyInjection;
using Messaging.Postgres.Outbox;

namespace Messaging.Postgres.Sagas;

/// <inheritdoc />
sealed class SagaEvents<TSaga>(
    SagaStateMachine<TSaga> machine,
    IScopedBusContextProvider<IBus> outbox,
    IMessageScheduler scheduler,
    IBus bus,
    IEndpointNameFormatter names) : ISagaEvents<TSaga>
    where TSaga : class, SagaStateMachineInstance
{
    public async Task Raise<TMessage>(TSaga instance, Event<TMessage> @event, TMessage message,
        CancellationToken cancellationToken)
        where TMessage : class
    {
        var endpoints = outbox.Context as IOutboxEndpoints ?? throw new InvalidOperationException(
            "Events can be raised outside consumers only, and the outbox of the bus needs UseBusOutbox");
        var self = new Uri($"exchange:{names.Saga<TSaga>()}");
        var received = new InProcessReceiveContext(self, endpoints, bus.Topology, cancellationToken);
        await machine.Raise(instance, @event, message, received, scheduler).ConfigureAwait(false);
    }
}
