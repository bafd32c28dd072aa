using Contracts;
using MassTransit;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using Service.Defaults;

namespace Orders;

/// <summary>
/// Records that the confirmed orders of a message no longer wait for Account; queue <c>orders-captured</c>. One
/// statement does for all of them what the saga does for <see cref="OrderStateMachine.FundsCaptured" />.
/// </summary>
sealed class OrdersCapturedConsumer(OrderDbContext db, IUnitOfWork<OrderDbContext> unitOfWork,
    OrderStateMachine machine, NewerBuildLog log) : IConsumer<OrdersCaptured>
{
    // Rows are locked in the order of their ids, so that two replicas cannot deadlock.
    const string Record = $"""
        update orders o set resend_time = null, last_event = '{nameof(OrderStateMachine.FundsCaptured)}' from (
            select order_id from orders
            where order_id = any ($1) and current_state = '{nameof(OrderStateMachine.Confirmed)}'
                and resend_time is not null
            order by order_id for no key update) x
        where o.order_id = x.order_id
        """;

    readonly HashSet<string> _known = [.. machine.States.Select(x => x.Name)];

    /// <exception cref="InvalidOperationException">An order is not confirmed or does not exist.</exception>
    public async Task Consume(ConsumeContext<OrdersCaptured> context)
    {
        Guid[] ids = [.. context.Message.OrderIds.Distinct()];
        var states = await db.Orders.Where(x => ids.Contains(x.CorrelationId))
            .Select(x => new { x.CorrelationId, x.CurrentState })
            .ToDictionaryAsync(x => x.CorrelationId, x => x.CurrentState, context.CancellationToken);
        var isPostponed = false;
        foreach (var id in ids)
            switch (states.GetValueOrDefault(id))
            {
                case nameof(OrderStateMachine.Confirmed):
                    break;
                case { } state when !_known.Contains(state):
                    log.Postponed(nameof(OrdersCaptured), id, $"the order is in the state {state}");
                    isPostponed = true;
                    break;
                case var state:
                    throw new InvalidOperationException($"Account has captured the funds of order {id}, "
                        + (state == null ? "which does not exist" : $"which is {state} and not confirmed"));
            }

        unitOfWork.Add(new NpgsqlBatchCommand(Record) { Parameters = { new NpgsqlParameter { Value = ids } } });
        if (isPostponed)
            await context.PostponeAsync();
    }
}
