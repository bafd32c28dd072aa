-- The views of all orders and all their transitions, and the function that moves finished ones to the archive.
-- To change an existing database, add a migration that runs this file again.

-- All orders; an archived one has no pending timeout, waits for nothing and does not change.
create or replace view all_orders as
    select order_id, current_state, account_id, items, total, currency, owner, request_id, reason, create_time,
        update_time, timeout_token, resend_time, last_event, xmin, placed_by, cancelled_by
    from orders
    union all
    select order_id, current_state, account_id, items, total, currency, owner, request_id, reason, create_time,
        update_time, null, null, last_event, '0'::xid, placed_by, cancelled_by
    from orders_archive;

create or replace view all_order_transitions as
    select order_id, sequence, time, from_state, to_state, event, reason from order_transitions
    union all
    select order_id, sequence, time, from_state, to_state, event, reason from order_transitions_archive;

-- Moves the next finished orders to the archive: those behind an id, whose last change is older than a time. Returns
-- their number and the last of their ids, which is null if there are none. Of several replicas, one archives at a time.
-- The function has the rights of its owner, and finds no temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);
create or replace function archive_finished(before timestamptz, after_id uuid, max_rows integer,
    out moved integer, out last_id uuid) language plpgsql security definer set search_path from current as $$
declare
    ids uuid[];
begin
    moved := 0;
    if not may_archive(before) then
        return;
    end if;
    ids := array(select order_id from orders
        where order_id > after_id and order_id < first_order_id(before) and update_time < before
            and current_state in ('Confirmed', 'Rejected', 'Cancelled') and resend_time is null
        order by order_id limit max_rows for update skip locked);
    moved := cardinality(ids);
    if moved = 0 then
        return;
    end if;
    last_id := ids[moved];
    perform add_archive_partitions(array['orders_archive', 'order_transitions_archive'], ids);
    insert into orders_archive (order_id, current_state, account_id, items, total, currency, owner, request_id,
        reason, create_time, update_time, last_event, placed_by, cancelled_by)
    select order_id, current_state, account_id, items, total, currency, owner, request_id, reason, create_time,
        update_time, last_event, placed_by, cancelled_by
    from orders where order_id = any (ids);
    insert into order_transitions_archive (order_id, sequence, time, from_state, to_state, event, reason)
    select order_id, sequence, time, from_state, to_state, event, reason
    from order_transitions where order_id = any (ids);
    insert into archived_requests (request_id, order_id)
    select request_id, order_id from orders where order_id = any (ids) and request_id is not null;
    delete from order_transitions where order_id = any (ids);
    delete from orders where order_id = any (ids);
end $$;
