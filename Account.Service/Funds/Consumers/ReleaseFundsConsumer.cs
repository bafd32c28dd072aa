using Contracts;
using MassTransit;

namespace Accounts;

/// <summary>Releases the funds of a cancelled order; queue <c>release-funds</c>.</summary>
sealed class ReleaseFundsConsumer(FundsHandler handler) : IConsumer<ReleaseFunds>
{
    public Task Consume(ConsumeContext<ReleaseFunds> context) => handler.HandleAsync(context);
}
