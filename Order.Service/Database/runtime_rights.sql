-- What the role with which Order runs may write; it reads everything. The transitions of orders are written by a
-- trigger, and the archive by archive_finished, both with the rights of the owner.
-- A table that is not listed can only be read.
grant insert, update on orders to {runtime};
grant insert on data_protection_keys to {runtime};
grant insert, update, delete on inbox_state, outbox_message, outbox_state, paused_queues to {runtime};
