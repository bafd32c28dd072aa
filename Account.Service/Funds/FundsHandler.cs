using Contracts;
using MassTransit;
using Messaging.Postgres;
using Messaging.RabbitMq;

namespace Accounts;

/// <summary>Applies a command to the funds of an order, and publishes the resulting event.</summary>
sealed class FundsHandler(IUnitOfWork<AccountDbContext> unitOfWork, FundsStep step)
{
    /// <summary>
    /// The order waits for the event: it stays in the outbox until Order has declared the queue that receives it.
    /// </summary>
    static readonly IPipe<PublishContext> RequireQueue = Pipe.Execute<PublishContext>(x => x.RequireQueue());

    /// <summary>
    /// An order is confirmed without FundsCaptured, and a version of Order that does not know the event never declares
    /// its queue. Order asks again for an event that it has missed.
    /// </summary>
    static readonly IPipe<PublishContext> Droppable = Pipe.Empty<PublishContext>();

    /// <summary>Handles one message.</summary>
    public async Task HandleAsync<T>(ConsumeContext<T> context) where T : class
    {
        var command = FundsCommand.Of(context.Message);
        var result = await unitOfWork.DecideAsync(step, command, context.CancellationToken);
        await context.Publish(result, result.GetType(), result is FundsCaptured ? Droppable : RequireQueue,
            context.CancellationToken);
    }
}
