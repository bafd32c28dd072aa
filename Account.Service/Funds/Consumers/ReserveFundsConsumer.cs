using Contracts;
using MassTransit;

namespace Accounts;

/// <summary>Holds the total of an order; queue <c>reserve-funds</c>.</summary>
sealed class ReserveFundsConsumer(FundsHandler handler) : IConsumer<ReserveFunds>
{
    public Task Consume(ConsumeContext<ReserveFunds> context) => handler.HandleAsync(context);
}
