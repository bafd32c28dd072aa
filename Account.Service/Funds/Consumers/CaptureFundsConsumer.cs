using Contracts;
using MassTransit;

namespace Accounts;

/// <summary>Captures the funds of a confirmed order; queue <c>capture-funds</c>.</summary>
sealed class CaptureFundsConsumer(FundsHandler handler) : IConsumer<OrderConfirmed>
{
    public Task Consume(ConsumeContext<OrderConfirmed> context) => handler.HandleAsync(context);
}
