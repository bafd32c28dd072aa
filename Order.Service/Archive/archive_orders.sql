-- The archive of orders: finished orders and their transitions.
-- To change an existing database, add a migration that replaces what changes.
create table orders_archive (
    order_id uuid not null,
    current_state varchar(16) not null,
    account_id uuid not null,
    items jsonb not null,
    total numeric(19, 4) not null,
    currency char(3) not null,
    owner varchar(255),
    request_id uuid,
    reason varchar(20),
    create_time timestamptz not null,
    update_time timestamptz not null,
    last_event varchar(32),
    primary key (order_id)
) partition by range (order_id);
create index on orders_archive (current_state, order_id);
create index on orders_archive (account_id, current_state, order_id);
create index on orders_archive (owner, current_state, order_id) where owner is not null;

create table order_transitions_archive (
    order_id uuid not null,
    sequence bigint not null,
    time timestamptz not null,
    from_state varchar(16),
    to_state varchar(16) not null,
    event varchar(32),
    reason varchar(20),
    primary key (order_id, sequence)
) partition by range (order_id);

-- The request ids of archived orders are remembered for ever: no repeated CreateOrder places a second order.
create table archived_requests (request_id uuid primary key, order_id uuid not null);

-- All orders; an archived one has no pending timeout, waits for nothing and does not change.
create view all_orders as
    select order_id, current_state, account_id, items, total, currency, owner, request_id, reason, create_time,
        update_time, timeout_token, resend_time, last_event, xmin
    from orders
    union all
    select order_id, current_state, account_id, items, total, currency, owner, request_id, reason, create_time,
        update_time, null, null, last_event, '0'::xid
    from orders_archive;

create view all_order_transitions as
    select order_id, sequence, time, from_state, to_state, event, reason from order_transitions
    union all
    select order_id, sequence, time, from_state, to_state, event, reason from order_transitions_archive;

-- Moves the next finished orders to the archive: those behind an id, whose last change is older than a time. Returns
-- their number and the last of their ids, which is null if there are none. Of several replicas, one archives at a time.
-- The function has the rights of its owner, and finds no temporary tables.
select set_config('search_path', format('%I, pg_temp', current_schema()), true);
create function archive_finished(before timestamptz, after_id uuid, max_rows integer,
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
        reason, create_time, update_time, last_event)
    select order_id, current_state, account_id, items, total, currency, owner, request_id, reason, create_time,
        update_time, last_event
    from orders where order_id = any (ids);
    insert into order_transitions_archive (order_id, sequence, time, from_state, to_state, event, reason)
    select order_id, sequence, time, from_state, to_state, event, reason
    from order_transitions where order_id = any (ids);
    insert into archived_requests (request_id, order_id)
    select request_id, order_id from orders where order_id = any (ids) and request_id is not null;
    delete from order_transitions where order_id = any (ids);
    delete from orders where order_id = any (ids);
end $$;

-- A repeated CreateOrder violates the unique index of request ids; one whose order is archived fails in the same way.
create function refuse_archived_request() returns trigger language plpgsql as $$
begin
    if exists (select from archived_requests
        where request_id = any (array(select request_id from new_orders where request_id is not null))) then
        raise unique_violation using message = 'a new order has the request id of an archived order',
            table = 'orders', constraint = 'ix_orders_request_id';
    end if;
    return null;
end $$;
create trigger order_requests_are_new after insert on orders referencing new table as new_orders
    for each statement execute function refuse_archived_request();

select guard_archive('orders_archive');
select guard_archive('order_transitions_archive');
