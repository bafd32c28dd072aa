using MassTransit;
using MassTransit.Clients;
using MassTransit.DependencyInjection;
using MassTransit.Transports;
using Messaging.Postgres.Commits;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Chooses the endpoints of a scope: those of the message that is being consumed, or those that capture messages in the
/// scope's unit of work.
/// </summary>
sealed class OutboxScopedBusContextProvider<TBus, TDbContext>(
    TBus bus,
    UnitOfWork<TDbContext> unit,
    Bind<TBus, IClientFactory> clientFactory,
    Bind<TBus, IScopedConsumeContextProvider> consume,
    IServiceProvider provider) : IScopedBusContextProvider<TBus>
    where TBus : class, IBus
    where TDbContext : DbContext
{
    public ScopedBusContext Context { get; } = consume.Value.HasContext
        ? new ConsumeContextScopedBusContext(consume.Value.GetContext(), clientFactory.Value)
        : new OutboxScopedBusContext<TDbContext>(bus, unit, clientFactory.Value, provider);
}
