-- The archive of reservations: settled reservations and the ledger entries of their orders. Deposits stay where they
-- are: their request ids keep a repeated deposit from a second effect.
-- To change an existing database, add a migration that replaces what changes.
create table reservations_archive (
    order_id uuid not null,
    account_id uuid not null,
    amount numeric(19, 4) not null,
    currency char(3) not null,
    status varchar(10) not null,
    reason varchar(20),
    create_time timestamptz not null,
    update_time timestamptz not null,
    primary key (order_id)
) partition by range (order_id);
create index on reservations_archive (status, order_id);
create index on reservations_archive (account_id, status, order_id);

create table ledger_entries_archive (
    entry_id bigint not null,
    account_id uuid not null,
    order_id uuid not null,
    kind varchar(10) not null,
    amount numeric(19, 4) not null,
    available_after numeric(19, 4) not null,
    held_after numeric(19, 4) not null,
    captured_after numeric(19, 4) not null,
    create_time timestamptz not null,
    primary key (order_id, kind)
) partition by range (order_id);
create index on ledger_entries_archive (entry_id);
create index on ledger_entries_archive (account_id, entry_id);

create view all_reservations as
    select order_id, account_id, amount, currency, status, reason, create_time, update_time from reservations
    union all
    select order_id, account_id, amount, currency, status, reason, create_time, update_time from reservations_archive;

-- Moves the next settled reservations to the archive: those behind an order id, whose last change is older than a time.
-- Returns their number and the last of their ids, which is null if there are none. Of several replicas, one archives at
-- a time.
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
    ids := array(select order_id from reservations
        where order_id > after_id and order_id < first_order_id(before) and update_time < before
            and status in ('Captured', 'Released', 'Rejected')
        order by order_id limit max_rows for update skip locked);
    moved := cardinality(ids);
    if moved = 0 then
        return;
    end if;
    last_id := ids[moved];
    perform add_archive_partitions(array['reservations_archive', 'ledger_entries_archive'], ids);
    insert into reservations_archive (order_id, account_id, amount, currency, status, reason, create_time, update_time)
    select order_id, account_id, amount, currency, status, reason, create_time, update_time
    from reservations where order_id = any (ids);
    insert into ledger_entries_archive (entry_id, account_id, order_id, kind, amount, available_after, held_after,
        captured_after, create_time)
    select entry_id, account_id, order_id, kind, amount, available_after, held_after, captured_after, create_time
    from ledger_entries where order_id = any (ids);
    delete from ledger_entries where order_id = any (ids);
    delete from reservations where order_id = any (ids);
end $$;

select guard_archive('reservations_archive');
select guard_archive('ledger_entries_archive');
