-- Records each change of an order in the transaction of the change, whatever statement makes it. Builds that do not
-- know orders.last_event leave the event of an earlier change there. Of all events only AnswerOverdue happens twice in
-- succession: it sends a command again, or cancels an order whose time is over. Any other that has not changed is such
-- a leftover, and the event is unknown.
-- A statement can change hundreds of orders: they are joined by hash, although sessions switch that off.
-- The function has the rights of its owner, so that the service itself cannot write the history. It finds no temporary
-- tables.
-- To change an existing database, add a migration that drops the function and its triggers and runs this file again.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);
create function record_order_transitions() returns trigger language plpgsql
    security definer set search_path from current set enable_hashjoin = on set enable_nestloop = off as $$
begin
    if tg_op = 'INSERT' then
        insert into order_transitions (order_id, time, to_state, event, reason)
        select order_id, clock_timestamp(), current_state, last_event, reason from new_orders;
    else
        insert into order_transitions (order_id, time, from_state, to_state, event, reason)
        select n.order_id, clock_timestamp(), o.current_state, n.current_state,
            case when n.last_event is distinct from o.last_event or n.last_event = 'AnswerOverdue'
                and (n.current_state = o.current_state or n.reason = 'TimedOut' and n.current_state = 'Cancelling')
                then n.last_event end,
            n.reason
        from new_orders n join old_orders o on o.order_id = n.order_id
        where (n.current_state, n.resend_time) is distinct from (o.current_state, o.resend_time);
    end if;
    return null;
end $$;

create trigger orders_inserted after insert on orders referencing new table as new_orders
    for each statement execute function record_order_transitions();

create trigger orders_updated after update on orders referencing old table as old_orders new table as new_orders
    for each statement execute function record_order_transitions();
