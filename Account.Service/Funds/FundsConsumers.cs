using Contracts;
using MassTransit;
using Messaging.Postgres;
using Messaging.RabbitMq;
using Service.Defaults;

namespace Accounts;

/// <summary>Queue reserve-funds.</summary>
sealed class ReserveFundsConsumer(FundsHandler funds) : IConsumer<ReserveFunds>
{
    public Task Consume(ConsumeContext<ReserveFunds> context) => funds.Answer(context);
}

/// <summary>Queue release-funds.</summary>
sealed class ReleaseFundsConsumer(FundsHandler funds) : IConsumer<ReleaseFunds>
{
    public Task Consume(ConsumeContext<ReleaseFunds> context) => funds.Answer(context);
}

/// <summary>Queue capture-funds.</summary>
sealed class CaptureFundsConsumer(FundsHandler funds) : IConsumer<OrderConfirmed>
{
    public Task Consume(ConsumeContext<OrderConfirmed> context) => funds.Answer(context);
}

/// <summary>Has a command decided, and publishes the answer if there is one.</summary>
sealed class FundsHandler(IUnitOfWork<AccountDbContext> unit, FundsStep step)
{
    /// <summary>An order waits for each answer: one that no queue takes stays in the outbox until Order's is there.</summary>
    static readonly IPipe<PublishContext> MustArrive = Pipe.Execute<PublishContext>(x => x.RequireQueue());

    public async Task Answer<T>(ConsumeContext<T> context) where T : class
    {
        var answer = await unit.DecideAsync(step, FundsCommand.Of(context.Message), context.CancellationToken);
        if (answer != null)
            await context.Publish(answer, answer.GetType(), MustArrive, context.CancellationToken);
    }
}
