using Contracts;
using MassTransit;
using Messaging.Postgres;
using Messaging.RabbitMq;
using Service.Defaults;

namespace Accounts;

/// <summary>
/// Applies a command to the funds of an order, and sends the resulting event to the address at which Order expects
/// answers. A version of Order that expects none receives the event as a published one.
/// </summary>
sealed class FundsHandler(
    IUnitOfWork<AccountDbContext> unitOfWork, FundsStep step, NewerBuildLog log)
{
    /// <summary>Where Order receives an event for each order.</summary>
    public static readonly Uri OrderQueue = new("exchange:order-state");

    /// <summary>Where Order receives <see cref="OrdersCaptured" />.</summary>
    public static readonly Uri CapturesQueue = new("exchange:orders-captured");

    /// <summary>
    /// The order waits for the event: it stays in the outbox until Order has declared the queue that receives it.
    /// </summary>
    static readonly IPipe<SendContext> RequireQueue = Pipe.Execute<SendContext>(x => x.RequireQueue());

    /// <summary>
    /// An order is confirmed without FundsCaptured, and a version of Order that does not know the event never declares
    /// its queue. Order asks again for an event that it has missed.
    /// </summary>
    static readonly IPipe<SendContext> Droppable = Pipe.Empty<SendContext>();

    /// <summary>Handles one message.</summary>
    public async Task HandleAsync<T>(ConsumeContext<T> context) where T : class
    {
        // No other address is answered.
        var address = context.ResponseAddress is { } x && (x == OrderQueue || x == CapturesQueue) ? x : null;
        var command = FundsCommand.Of(context.Message, sharesAnswer: address == CapturesQueue);
        var decision = await unitOfWork.DecideAsync(step, command, context.CancellationToken);
        if (decision.IsPostponed)
        {
            log.Postponed(typeof(T).Name, command.OrderId, "the reservation has a status");
            await context.PostponeAsync();
            return;
        }

        if (decision.Answer is not { } answer)
            return;
        var pipe = answer is FundsCaptured ? Droppable : RequireQueue;
        if (address != null)
            await (await context.GetSendEndpoint(address))
                .Send(answer, answer.GetType(), pipe, context.CancellationToken);
        else
            await context.Publish(answer, answer.GetType(), pipe, context.CancellationToken);
    }
}
