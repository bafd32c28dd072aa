using MassTransit;
using MassTransit.Scheduling;
using Messaging.Postgres.Outbox;

namespace Saga.Simulation;

/// <summary>Captures the state machine's messages in a transaction, as the production outbox does.</summary>
sealed class TransactionOutbox(SimTransaction transaction, World world, Func<DateTime> clock)
    : IOutboxEndpoints, ISendEndpointProvider, IPublishEndpointProvider, ISendEndpoint, IScheduleMessageProvider
{
    public ISendEndpointProvider SendEndpointProvider => this;
    public IPublishEndpointProvider PublishEndpointProvider => this;

    public Task<ISendEndpoint> GetSendEndpoint(Uri address) => Task.FromResult<ISendEndpoint>(this);

    public Task<ISendEndpoint> GetPublishSendEndpoint<T>() where T : class => Task.FromResult<ISendEndpoint>(this);

    public Task Send<T>(T message, CancellationToken cancellationToken = default) where T : class => Capture(message);

    public Task Send<T>(T message, IPipe<SendContext<T>> pipe, CancellationToken cancellationToken = default)
        where T : class => Capture(message);

    public Task Send<T>(T message, IPipe<SendContext> pipe, CancellationToken cancellationToken = default)
        where T : class => Capture(message);

    public Task Send(object message, CancellationToken cancellationToken = default) => Capture(message);

    public Task Send(object message, Type messageType, CancellationToken cancellationToken = default) =>
        Capture(message);

    public Task Send(object message, IPipe<SendContext> pipe, CancellationToken cancellationToken = default) =>
        Capture(message);

    public Task Send(object message, Type messageType, IPipe<SendContext> pipe,
        CancellationToken cancellationToken = default) => Capture(message);

    public Task Send<T>(object values, CancellationToken cancellationToken = default) where T : class =>
        throw new NotSupportedException();

    public Task Send<T>(object values, IPipe<SendContext<T>> pipe, CancellationToken cancellationToken = default)
        where T : class => throw new NotSupportedException();

    public Task Send<T>(object values, IPipe<SendContext> pipe, CancellationToken cancellationToken = default)
        where T : class => throw new NotSupportedException();

    public Task<ScheduledMessage<T>> ScheduleSend<T>(Uri destinationAddress, DateTime scheduledTime, T message,
        IPipe<SendContext<T>> pipe, CancellationToken cancellationToken) where T : class
    {
        var token = world.NewId();
        transaction.Messages.Add(world.NewMessage(message, clock(), token, StateMachineRunner.Timeout));
        return Task.FromResult<ScheduledMessage<T>>(
            new ScheduledMessageHandle<T>(token, scheduledTime, destinationAddress, message));
    }

    public Task CancelScheduledSend(Guid tokenId, CancellationToken cancellationToken)
    {
        transaction.Messages.RemoveAll(x => x.TokenId == tokenId);
        transaction.CancelledTokens.Add(tokenId);
        return Task.CompletedTask;
    }

    public Task CancelScheduledSend(Uri destinationAddress, Guid tokenId, CancellationToken cancellationToken) =>
        CancelScheduledSend(tokenId, cancellationToken);

    public ConnectHandle ConnectSendObserver(ISendObserver observer) => throw new NotSupportedException();

    public ConnectHandle ConnectPublishObserver(IPublishObserver observer) => throw new NotSupportedException();

    Task Capture(object message)
    {
        transaction.Messages.Add(world.NewMessage(message, clock()));
        return Task.CompletedTask;
    }
}
