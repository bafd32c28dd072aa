using MassTransit;
using MassTransit.DependencyInjection;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Sagas;

/// <inheritdoc />
sealed class SagaEvents<TSaga>(
    SagaStateMachine<TSaga> machine,
    SagaEndpoint<TSaga> self,
    SagaRepositoryOptions<TSaga> repository,
    IScopedBusContextProvider<IBus> outbox,
    IMessageScheduler scheduler,
    IBus bus,
    IServiceProvider provider) : ISagaEvents<TSaga>
    where TSaga : class, SagaStateMachineInstance
{
    public async Task Raise<TMessage>(TSaga instance, Event<TMessage> @event, TMessage message,
        CancellationToken cancellationToken)
        where TMessage : class
    {
        var endpoints = outbox.Context as IOutboxEndpoints ?? throw new InvalidOperationException(
            "Events can be raised outside consumers only, and the outbox of the bus needs UseBusOutbox");
        var received = new InProcessReceiveContext(self.Address, endpoints, bus.Topology, cancellationToken);
        var isCompleted = await machine.Raise(instance, @event, message, received, scheduler).ConfigureAwait(false);
        if (isCompleted && !repository.OwnsDbContext)
            Delete(repository.GetDbContext(provider).Entry(instance));
    }

    static void Delete(Microsoft.EntityFrameworkCore.ChangeTracking.EntityEntry<TSaga> entry) =>
        entry.State = entry.State is EntityState.Added or EntityState.Detached
            ? EntityState.Detached : EntityState.Deleted;
}
