using MassTransit;
using MassTransit.Clients;
using MassTransit.DependencyInjection;
using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using MassTransit.Transports;
using Messaging.Postgres.Commits;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>Captures what is sent or published outside a consumer in the scope's unit of work.</summary>
sealed class OutboxScopedBusContext<TDbContext>(
    IBus bus,
    UnitOfWork<TDbContext> unit,
    IClientFactory clientFactory,
    IServiceProvider provider) : ScopedBusContext, OutboxSendContext, IOutboxEndpoints
    where TDbContext : DbContext
{
    IScopedClientFactory? _clientFactory;
    IPublishEndpoint? _publishEndpoint;
    ISendEndpointProvider? _sendEndpointProvider;

    public ISendEndpointProvider SendEndpointProvider =>
        _sendEndpointProvider ??= new OutboxSendEndpointProvider(this, bus);

    public IPublishEndpointProvider PublishEndpointProvider => new OutboxPublishEndpointProvider(this, bus);

    public IPublishEndpoint PublishEndpoint => _publishEndpoint ??= new PublishEndpoint(PublishEndpointProvider);

    public IScopedClientFactory ClientFactory => _clientFactory ??=
        new ScopedClientFactory(new ClientFactory(new ScopedClientFactoryContext(clientFactory, provider)), null);

    public Task AddSend<T>(SendContext<T> context) where T : class
    {
        unit.Capture(context);
        return Task.CompletedTask;
    }

    public object? GetService(Type serviceType) => provider.GetService(serviceType);
}
