using System.Diagnostics.CodeAnalysis;
using System.Net.Mime;
using MassTransit;
using MassTransit.Context;
using MassTransit.Metadata;
using MassTransit.Middleware;
using MassTransit.Scheduling;
using MassTransit.Serialization;
using MassTransit.Transports;
using Messaging.Postgres.Outbox;

namespace Messaging.Postgres.Sagas;

/// <summary>
/// Stands where a received message's context stands, for an event that no broker delivered: what is sent goes to the
/// scope's outbox, what is scheduled to its scheduler.
/// </summary>
sealed class InProcessConsumeContext : BaseConsumeContext
{
    readonly InProcessReceiveContext _received;

    public InProcessConsumeContext(InProcessReceiveContext received, IMessageScheduler scheduler, Guid correlationId, Headers? headers = null)
        : base(received, null!)
    {
        _received = received;
        CorrelationId = correlationId;
        Headers = headers ?? EmptyHeaders.Instance;
        received.GetOrAddPayload<MessageSchedulerContext>(() => new ConsumeMessageSchedulerContext(this, _ => scheduler));
    }

    public override Task ConsumeCompleted => Task.CompletedTask;
    public override Guid? MessageId => null;
    public override Guid? RequestId => null;
    public override Guid? CorrelationId { get; }
    public override Guid? ConversationId => null;
    public override Guid? InitiatorId => null;
    public override DateTime? ExpirationTime => null;
    public override Uri SourceAddress => _received.InputAddress;
    public override Uri DestinationAddress => _received.InputAddress;
    public override Uri ResponseAddress => null!;
    public override Uri FaultAddress => null!;
    public override DateTime? SentTime => null;
    public override Headers Headers { get; }
    public override HostInfo Host => HostMetadataCache.Host;
    public override IEnumerable<string> SupportedMessageTypes => [];
    public override bool HasMessageType(Type messageType) => false;

    public override bool TryGetMessage<T>([NotNullWhen(true)] out ConsumeContext<T>? consumeContext) where T : class
    {
        consumeContext = null;
        return false;
    }

    public override void AddConsumeTask(Task task)
    {
    }

    public override bool HasPayloadType(Type payloadType) => _received.HasPayloadType(payloadType);

    public override bool TryGetPayload<T>([NotNullWhen(true)] out T? payload) where T : class => _received.TryGetPayload(out payload);

    public override T GetOrAddPayload<T>(PayloadFactory<T> payloadFactory) => _received.GetOrAddPayload(payloadFactory);

    public override T AddOrUpdatePayload<T>(PayloadFactory<T> addFactory, UpdatePayloadFactory<T> updateFactory) =>
        _received.AddOrUpdatePayload(addFactory, updateFactory);
}

/// <summary>The endpoint side of <see cref="InProcessConsumeContext" />.</summary>
sealed class InProcessReceiveContext(Uri address, IOutboxEndpoints outbox, IBusTopology topology, CancellationToken cancellationToken)
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
