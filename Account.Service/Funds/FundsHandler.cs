using Contracts;
using MassTransit;
using Messaging.Postgres;
using Messaging.RabbitMq;
using Microsoft.Extensions.Logging;
using Service.Defaults;

namespace Accounts;

/// <summary>
/// Applies a command to the funds of an order, and sends the resulting event to Order. A version of Order that does not
/// ask for that receives it as a published event.
/// </summary>
sealed partial class FundsHandler(
    IUnitOfWork<AccountDbContext> unitOfWork, FundsStep step, ILogger<FundsHandler> log)
{
    /// <summary>Where Order receives answers; no other address is answered.</summary>
    public static readonly Uri OrderQueue = new("exchange:order-state");

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
        var command = FundsCommand.Of(context.Message);
        var result = await unitOfWork.DecideAsync(step, command, context.CancellationToken);
        if (result == null)
        {
            LogPostponed(typeof(T).Name, command.OrderId);
            await context.PostponeAsync();
            return;
        }

        var pipe = result is FundsCaptured ? Droppable : RequireQueue;
        if (context.ResponseAddress == OrderQueue)
            await (await context.GetSendEndpoint(OrderQueue))
                .Send(result, result.GetType(), pipe, context.CancellationToken);
        else
            await context.Publish(result, result.GetType(), pipe, context.CancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{MessageType} of order {OrderId} is postponed: the reservation "
        + "has a status of a newer build, whose replicas can handle the message")]
    partial void LogPostponed(string messageType, Guid orderId);
}
