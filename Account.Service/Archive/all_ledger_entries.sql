-- The whole ledger. Deposits, of which somebody's subject is known, are never archived.
-- To change an existing database, add a migration that runs this file again.
create or replace view all_ledger_entries as
    select entry_id, account_id, order_id, kind, amount, available_after, held_after, captured_after, request_id,
        create_time, deposited_by
    from ledger_entries
    union all
    select entry_id, account_id, order_id, kind, amount, available_after, held_after, captured_after, null,
        create_time, null
    from ledger_entries_archive;
