-- Rejects every change of a ledger entry, even by the service itself.
-- To change an existing database, add a migration that drops the function and its trigger and runs this file again.
create function refuse_ledger_change() returns trigger language plpgsql as $$
begin
    raise exception 'ledger entries are never changed or deleted';
end $$;

create trigger ledger_is_append_only before update or delete or truncate on ledger_entries
    for each statement execute function refuse_ledger_change();
