-- What the role with which Account runs may write; it reads everything. To the ledger it only adds. It never deletes a
-- reservation or writes to the archive: archive_finished does that with the rights of the owner.
-- A table that is not listed can only be read.
grant insert, update on accounts, reservations, ledger_checks to {runtime};
grant insert on ledger_entries, data_protection_keys to {runtime};
grant insert, update, delete on inbox_state, outbox_message, outbox_state, paused_queues to {runtime};
