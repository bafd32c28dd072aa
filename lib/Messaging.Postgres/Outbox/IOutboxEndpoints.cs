using MassTransit;

namespace Messaging.Postgres.Outbox;

/// <summary>Endpoints whose messages are captured instead of sent.</summary>
interface IOutboxEndpoints
{
    ISendEndpointProvider SendEndpointProvider { get; }
    IPublishEndpointProvider PublishEndpointProvider { get; }
}
