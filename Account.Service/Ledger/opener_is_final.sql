-- Rejects every change of who opened an account. A statement that does not change the column costs nothing.
-- To change an existing database, add a migration that drops the function and its trigger and runs this file again.
create function refuse_caller_change() returns trigger language plpgsql as $$
begin
    raise exception 'who opened an account is never changed';
end $$;

create trigger opener_is_final before update of opened_by on accounts
    for each row when (old.opened_by is distinct from new.opened_by) execute function refuse_caller_change();
