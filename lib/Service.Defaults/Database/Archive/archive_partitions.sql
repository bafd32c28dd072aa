-- The partitions of archive tables. Each has the rows of the orders of one month, by the time in their ids.
-- To change an existing database, add a migration that replaces the functions.

-- The smallest id that an order of a time can have.
create function first_order_id(order_time timestamptz) returns uuid language sql stable as $$
    select (lpad(to_hex((extract(epoch from order_time) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- The beginning of the month in which an order was placed, in UTC without a zone.
create function month_of_order(order_id uuid) returns timestamp language sql stable as $$
    select date_trunc('month', to_timestamp(
        ('x0000' || left(replace(order_id::text, '-', ''), 12))::bit(64)::bigint / 1000.0) at time zone 'UTC')
$$;

-- Rejects every change of an archived row, even by the service itself. To delete what is too old, detach a partition.
create function refuse_archive_change() returns trigger language plpgsql as $$
begin
    raise exception 'archived rows are never changed or deleted';
end $$;

-- Guards an archive table or one of its partitions, because a statement fires only the triggers of the table it names.
create function guard_archive(archive name) returns void language plpgsql as $$
begin
    execute format('create trigger archive_is_append_only before update or delete or truncate on %I
        for each statement execute function refuse_archive_change()', archive);
end $$;

-- Adds the partition of a month to an archive table, unless it exists. It is made first and then attached, so that
-- nobody who reads the archive has to wait.
create function add_archive_partition(archive name, month timestamp) returns void language plpgsql as $$
declare
    partition name := format('%s_%s', archive, to_char(month, 'YYYY_MM'));
begin
    if to_regclass(quote_ident(partition)) is not null then
        return;
    end if;
    execute format('create table %I (like %I including all)', partition, archive);
    perform guard_archive(partition);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)', archive, partition,
        first_order_id(month at time zone 'UTC'), first_order_id((month + interval '1 month') at time zone 'UTC'));
end $$;

-- Adds the partitions of orders to archive tables.
create function add_archive_partitions(archives name[], order_ids uuid[]) returns void language plpgsql as $$
begin
    perform add_archive_partition(archive, month)
    from unnest(archives) as archive,
        (select distinct month_of_order(order_id) as month from unnest(order_ids) as order_id) as months;
end $$;

-- Whether what has not changed since a time can be archived in this transaction: of several replicas, one archives.
create function may_archive(before timestamptz) returns boolean language plpgsql as $$
begin
    if before > now() - interval '1 day' then
        raise exception 'nothing is archived within a day: messages about it can come again';
    end if;
    return pg_try_advisory_xact_lock(hashtext('archive_finished'));
end $$;
