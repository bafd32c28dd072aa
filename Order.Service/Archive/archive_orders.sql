-- The tables of the archive of orders: finished orders and their transitions. What reads and fills them is in
-- archive_finished_orders.sql.
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
