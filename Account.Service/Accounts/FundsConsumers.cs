using Contracts;
using MassTransit;

namespace Accounts;

/// <summary>Queue reserve-funds.</summary>
sealed class ReserveFundsConsumer(FundsStore store) : IConsumer<ReserveFunds>
{
    public async Task Consume(ConsumeContext<ReserveFunds> context)
    {
        var funds = await store.Load(context.Message.OrderId, context.Message.AccountId, context.CancellationToken);
        var answer = funds.Reserve(context.Message);
        store.Keep(funds);
        await context.Publish(answer, answer.GetType(), context.CancellationToken);
    }
}

/// <summary>Queue release-funds.</summary>
sealed class ReleaseFundsConsumer(FundsStore store) : IConsumer<ReleaseFunds>
{
    public async Task Consume(ConsumeContext<ReleaseFunds> context)
    {
        var funds = await store.Load(context.Message.OrderId, context.Message.AccountId, context.CancellationToken);
        var answer = funds.Release(context.Message);
        store.Keep(funds);
        await context.Publish(answer, context.CancellationToken);
    }
}

/// <summary>Queue capture-funds.</summary>
sealed class CaptureFundsConsumer(FundsStore store) : IConsumer<OrderConfirmed>
{
    public async Task Consume(ConsumeContext<OrderConfirmed> context)
    {
        var funds = await store.Load(context.Message.OrderId, context.Message.AccountId, context.CancellationToken);
        funds.Capture(context.Message);
        store.Keep(funds);
    }
}
