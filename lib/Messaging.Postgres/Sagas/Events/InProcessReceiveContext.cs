using System.Net.Mime;
using MassTransit;
using MassTransit.Middleware;
using MassTransit.Serialization;
using MassTransit.Transports;
using Messaging.Postgres.Outbox;

namespace Messaging.Postgres.Sagas;

/// <summary>The receive context of an event that no broker delivered.</summary>
sealed class InProcessReceiveContext(Uri address, IOutboxEndpoints outbox, IBusTopology topology,
    CancellationToken cancellationToken)
    : BasePipeContext(cancellationToken, topology), ReceiveContext
{
    public TimeSpan ElapsedTime => TimeSpan.Zero;
    public Uri InputAddress => address;
    public ContentType ContentType => SystemTextJsonMessageSerializer.JsonContentType;
    public bool Redelivered => false;
    public Headers TransportHeaders => EmptyHeaders.Instance;
    public Task ReceiveCompleted => Task.CompletedTask;
    public bool IsDelivered => true;
    public bool IsFaulted => false;
    public ISendEndpointProvider SendEndpointProvider => outbox.SendEndpointProvider;
    public IPublishEndpointProvider PublishEndpointProvider => outbox.PublishEndpointProvider;
    public bool PublishFaults => false;
    public MessageBody Body => new EmptyMessageBody();

    public Task NotifyConsumed<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType) where T : class =>
        Task.CompletedTask;

    public Task NotifyFaulted<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType, Exception exception)
        where T : class => Task.CompletedTask;

    public Task NotifyFaulted(Exception exception) => Task.CompletedTask;

    public void AddReceiveTask(Task task)
    {
    }
}
