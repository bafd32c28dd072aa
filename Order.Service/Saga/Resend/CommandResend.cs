using MassTransit;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Orders;

/// <summary>Lets orders send again what has not been answered, in one transaction.</summary>
sealed class CommandResend(
    OrderDbContext db, ISagaEvents<OrderState> saga, OrderStateMachine machine, OrderNotifier notifier)
{
    /// <summary>
    /// Raises <see cref="AnswerOverdue" /> on orders. An order that an older build has left in its initial state gets
    /// the event that it waits for.
    /// </summary>
    /// <param name="sql">A query of orders with their xmin, which locks them.</param>
    /// <param name="parameters">The parameters of the query.</param>
    /// <param name="cancellationToken">Cancels the transaction.</param>
    /// <returns>The orders, whose changes are committed.</returns>
    public async Task<List<OrderState>> RunAsync(
        string sql, NpgsqlParameter[] parameters, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var orders = await db.Orders.FromSqlRaw(sql, parameters).ToListAsync(cancellationToken);
        var before = orders.ConvertAll(x => x.CurrentState);
        var traces = await OrderSpans.FindTracesAsync(db, orders, cancellationToken);
        foreach (var order in orders)
            using (OrderSpans.StartResend(order, traces))
                await RaiseAsync(order, cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        foreach (var (order, state) in orders.Zip(before))
            if (order.CurrentState != state)
                notifier.Committed(order); // it has timed out, or begun
            else
                OrderMetrics.Resent(state);
        return orders;
    }

    Task RaiseAsync(OrderState order, CancellationToken cancellationToken) =>
        order.CurrentState == machine.Initial.Name
            ? saga.Raise(order, machine.OrderSubmitted, new OrderSubmitted(order.CorrelationId), cancellationToken)
            : saga.Raise(order, machine.AnswerOverdue, new AnswerOverdue(order.CorrelationId), cancellationToken);
}
