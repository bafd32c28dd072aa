using MassTransit;
using MassTransit.Clients;
using MassTransit.DependencyInjection;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using MassTransit.Transports;
using Messaging.Postgres.Database;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Chooses where a scope's sends and publishes go: inside a consumer to its unit of work, elsewhere to rows of the
/// scope's DbContext.
/// </summary>
sealed class OutboxScopedBusContextProvider<TDbContext>(
    IBus bus,
    TDbContext db,
    DatabaseClock<TDbContext> clock,
    OutboxOptions<TDbContext> options,
    Bind<IBus, IClientFactory> clientFactory,
    Bind<IBus, IScopedConsumeContextProvider> consume,
    IServiceProvider provider) : IScopedBusContextProvider<IBus>
    where TDbContext : DbContext
{
    public ScopedBusContext Context { get; } = consume.Value.HasContext
        ? new ConsumeContextScopedBusContext(consume.Value.GetContext(), clientFactory.Value)
        : new OutboxScopedBusContext<TDbContext>(bus, db, clock, options, clientFactory.Value, provider);
}

/// <summary>Endpoints whose messages become rows of the scope's DbContext.</summary>
interface IOutboxEndpoints
{
    ISendEndpointProvider SendEndpointProvider { get; }
    IPublishEndpointProvider PublishEndpointProvider { get; }
}

/// <summary>Adds what is sent or published to the DbContext, whose next SaveChanges makes it durable.</summary>
sealed class OutboxScopedBusContext<TDbContext>(
    IBus bus,
    TDbContext db,
    DatabaseClock<TDbContext> clock,
    OutboxOptions<TDbContext> options,
    IClientFactory clientFactory,
    IServiceProvider provider) : ScopedBusContext, OutboxSendContext, IOutboxEndpoints
    where TDbContext : DbContext
{
    IScopedClientFactory? _clientFactory;
    readonly Lock _lock = new();
    IPublishEndpoint? _publishEndpoint;
    ISendEndpointProvider? _sendEndpointProvider;

    public ISendEndpointProvider SendEndpointProvider =>
        _sendEndpointProvider ??= new OutboxSendEndpointProvider(this, bus);

    public IPublishEndpointProvider PublishEndpointProvider => new OutboxPublishEndpointProvider(this, bus);

    public IPublishEndpoint PublishEndpoint => _publishEndpoint ??= new PublishEndpoint(PublishEndpointProvider);

    public IScopedClientFactory ClientFactory =>
        _clientFactory ??= new ScopedClientFactory(new ClientFactory(new ScopedClientFactoryContext(clientFactory, provider)), null);

    public Task AddSend<T>(SendContext<T> context) where T : class
    {
        var message = OutboxMessage.Capture(context, clock.UtcNow, options.DeliveryLease);
        lock (_lock)
            db.Entry(message).State = EntityState.Added; // Add would look for related entities
        return Task.CompletedTask;
    }

    public object? GetService(Type serviceType) => provider.GetService(serviceType);
}
