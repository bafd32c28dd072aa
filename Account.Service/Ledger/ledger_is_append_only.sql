-- Rejects every change of a ledger entry, even by the service itself. An entry can leave its table only if the archive
-- has the same row.
-- To change an existing database, add a migration that drops the function and its triggers and runs this file again.
create function refuse_ledger_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if not exists (
            select entry_id, account_id, order_id, kind, amount, available_after, held_after, captured_after,
                request_id, create_time from deleted
            except
            select entry_id, account_id, order_id, kind, amount, available_after, held_after, captured_after,
                null, create_time from ledger_entries_archive
            where order_id = any (array(select order_id from deleted))) then
            return null;
        end if;
    end if;
    raise exception 'ledger entries are never changed or deleted';
end $$;

create trigger ledger_is_append_only before update or truncate on ledger_entries
    for each statement execute function refuse_ledger_change();

create trigger ledger_entries_are_not_lost after delete on ledger_entries referencing old table as deleted
    for each statement execute function refuse_ledger_change();
