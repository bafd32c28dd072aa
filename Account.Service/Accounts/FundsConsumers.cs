using Contracts;
using MassTransit;
using Service.Defaults;

namespace Accounts;

/// <summary>Queue reserve-funds.</summary>
sealed class ReserveFundsConsumer(FundsStore store) : IConsumer<ReserveFunds>
{
    public async Task Consume(ConsumeContext<ReserveFunds> context)
    {
        var funds = await store.Load(context.Message.OrderId, context.Message.AccountId, context.CancellationToken);
        var answer = funds.Reserve(context.Message);
        store.Keep(funds);
        await context.Publish(answer, answer.GetType(), FundsAnswer.MustArrive, context.CancellationToken);
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
        await context.Publish(answer, FundsAnswer.MustArrive, context.CancellationToken);
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

static class FundsAnswer
{
    /// <summary>An order waits for each answer: one that no queue takes stays in the outbox until Order's is there.</summary>
    public static IPipe<PublishContext> MustArrive { get; } = Pipe.Execute<PublishContext>(x => x.RequireQueue());
}
