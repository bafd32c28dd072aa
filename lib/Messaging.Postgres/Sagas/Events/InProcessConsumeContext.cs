using System.Diagnostics.CodeAnalysis;
using MassTransit;
using MassTransit.Context;
using MassTransit.Metadata;
using MassTransit.Scheduling;
using MassTransit.Serialization;

namespace Messaging.Postgres.Sagas;

/// <summary>
/// The consume context of an event that no broker delivered. Sent messages go to the scope's outbox, scheduled ones to
/// its scheduler.
/// </summary>
sealed class InProcessConsumeContext : BaseConsumeContext
{
    readonly InProcessReceiveContext _received;

    public InProcessConsumeContext(InProcessReceiveContext received, IMessageScheduler scheduler, Guid correlationId,
        Headers? headers = null)
        : base(received, null!)
    {
        _received = received;
        CorrelationId = correlationId;
        Headers = headers ?? EmptyHeaders.Instance;
        received.GetOrAddPayload<MessageSchedulerContext>(() => new ConsumeMessageSchedulerContext(this,
            _ => scheduler));
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

    public override bool TryGetPayload<T>([NotNullWhen(true)] out T? payload) where T : class =>
        _received.TryGetPayload(out payload);

    public override T GetOrAddPayload<T>(PayloadFactory<T> payloadFactory) => _received.GetOrAddPayload(payloadFactory);

    public override T AddOrUpdatePayload<T>(PayloadFactory<T> addFactory, UpdatePayloadFactory<T> updateFactory) =>
        _received.AddOrUpdatePayload(addFactory, updateFactory);
}
