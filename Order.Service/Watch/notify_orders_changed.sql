-- Notifies OrderWatcher of every committed update of orders, in commit order. A commit can update many orders.
-- A notification has at most 60 lines, which keeps it below PostgreSQL's limit of 8,000 bytes.
-- Each line is: order id | state | reason, or empty | update time in UTC.
-- To change an existing database, add a migration that drops the function and its trigger and runs this file again.
create function notify_orders_changed() returns trigger language plpgsql as $$
declare
    lines text;
begin
    for lines in
        select string_agg(line, E'\n') from (
            select concat_ws('|', order_id, current_state, coalesce(reason, ''),
                to_char(update_time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) as line,
                row_number() over () as number
            from now_rows) as changed
        group by number / 60
    loop
        perform pg_notify('order_changed', lines);
    end loop;
    return null;
end $$;

create trigger orders_changed after update on orders referencing new table as now_rows
    for each statement execute function notify_orders_changed();
