using Npgsql;

namespace Saga.Audit;

/// <summary>
/// I5: the transitions of each order follow from each other, begin with a new order and end in its state.
/// </summary>
/// <remarks>
/// Orders from before the first transition of all were placed by a build without history, and lack their first ones.
/// </remarks>
sealed class HistoryChecks(NpgsqlDataSource orders, AuditFindings findings)
{
    const string Gaps = """
        select order_id, from_state, before from (
            select order_id, from_state, lag(to_state) over w as before, row_number() over w = 1 as is_first
            from all_order_transitions window w as (partition by order_id order by sequence)) as history
        join all_orders using (order_id)
        where from_state is distinct from before
            and not (is_first and create_time < (select min(time) from all_order_transitions))
        limit 1000
        """;

    const string Ends = """
        select order_id, current_state, last from all_orders left join (
            select distinct on (order_id) order_id, to_state as last
            from all_order_transitions order by order_id, sequence desc) as history using (order_id)
        where current_state is distinct from last
            and not (last is null and create_time < (select min(time) from all_order_transitions))
        limit 1000
        """;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await foreach (var r in orders.QueryAsync(Gaps, cancellationToken))
            findings.Violated($"I5: the history of order {r.GetGuid(0)} has a gap: "
                + $"a transition from {State(r, 1)} follows one to {State(r, 2)}");
        await foreach (var r in orders.QueryAsync(Ends, cancellationToken))
            findings.Violated($"I5: order {r.GetGuid(0)} is {r.GetString(1)}, its history ends in {State(r, 2)}");
        await foreach (var r in orders.QueryAsync("select count(*) from all_order_transitions", cancellationToken))
            findings.Count("transitions of orders", r.GetInt64(0));
    }

    static string State(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? "nothing" : row.GetString(column);
}
