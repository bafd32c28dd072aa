-- Rejects every change of who placed an order, and of who cancelled it, except in the statement that cancels it. A
-- statement that sets neither column costs nothing.
-- To change an existing database, add a migration that drops the function and its trigger and runs this file again.
create function refuse_caller_change() returns trigger language plpgsql as $$
begin
    raise exception 'who placed or cancelled an order is never changed';
end $$;

create trigger callers_of_orders_are_final before update of placed_by, cancelled_by on orders
    for each row when (old.placed_by is distinct from new.placed_by
        or old.cancelled_by is distinct from new.cancelled_by and (old.cancelled_by is not null
            or old.reason is not null or new.reason is distinct from 'CancelledByClient'))
    execute function refuse_caller_change();
