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
    /// <summary>Records the captures of the orders whose ids are the parameter.</summary>
    // Rows are locked in the order of their ids, so that two replicas cannot deadlock. The rows are found by their ids
    // alone: with the other conditions in the inner query, which offset keeps out, PostgreSQL prefers the index of all
    // orders that wait, and reads each that has waited since the oldest open snapshot.
    internal const string Record = $"""
        update orders o set resend_time = null, last_event = '{nameof(OrderStateMachine.FundsCaptured)}' from (
            select order_id, current_state, resend_time from orders
            where order_id = any ($1) order by order_id offset 0 for no key update) x
        where o.order_id = x.order_id
            and x.current_state = '{nameof(OrderStateMachine.Confirmed)}' and x.resend_time is not null
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
