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
    /// <summary>
    /// Records the captures of the orders whose ids are the parameter. If one is not confirmed, it divides by zero, so
    /// that nothing is committed, and the message is tried again.
    /// </summary>
    // Rows are locked in the order of their ids, so that two replicas cannot deadlock. The rows are found by their ids
    // alone: with the other conditions in the inner query, PostgreSQL prefers the index of all orders that wait, and
    // reads each that has waited since the oldest open snapshot.
    internal const string Record = $"""
        with answered as materialized (
            select order_id, current_state, resend_time from orders
            where order_id = any ($1) order by order_id for no key update)
        update orders o set resend_time = null, last_event = '{nameof(OrderStateMachine.FundsCaptured)}'
        from answered x where o.order_id = x.order_id and x.resend_time is not null and (
            select 1 / (count(*) filter (where current_state = '{nameof(OrderStateMachine.Confirmed)}')
                = cardinality($1))::int from answered) = 1
        """;

    readonly HashSet<string> _known = [.. machine.States.Select(x => x.Name)];

    /// <exception cref="InvalidOperationException">An order is not confirmed or does not exist.</exception>
    public async Task Consume(ConsumeContext<OrdersCaptured> context)
    {
        Guid[] ids = [.. context.Message.OrderIds.Distinct()];
        // The statement checks the states, too. Only if that has failed, it matters what they are.
        var confirmed = context.GetRetryAttempt() == 0 ? ids
            : await FindConfirmedAsync(ids, context.CancellationToken);
        unitOfWork.Add(new NpgsqlBatchCommand(Record) { Parameters = { new NpgsqlParameter { Value = confirmed } } },
            isConstant: true);
        if (confirmed.Length < ids.Length)
            await context.PostponeAsync();
    }

    /// <summary>Finds the confirmed ones of orders; the others are in states that only newer builds know.</summary>
    async Task<Guid[]> FindConfirmedAsync(Guid[] ids, CancellationToken cancellationToken)
    {
        var states = await db.Orders.Where(x => ids.Contains(x.CorrelationId))
            .Select(x => new { x.CorrelationId, x.CurrentState })
            .ToDictionaryAsync(x => x.CorrelationId, x => x.CurrentState, cancellationToken);
        var confirmed = new List<Guid>(ids.Length);
        foreach (var id in ids)
            switch (states.GetValueOrDefault(id))
            {
                case nameof(OrderStateMachine.Confirmed):
                    confirmed.Add(id);
                    break;
                case { } state when !_known.Contains(state):
                    log.Postponed(nameof(OrdersCaptured), id, $"the order is in the state {state}");
                    break;
                case var state:
                    throw new InvalidOperationException($"Account has captured the funds of order {id}, "
                        + (state == null ? "which does not exist" : $"which is {state} and not confirmed"));
            }

        return [.. confirmed];
    }
}
