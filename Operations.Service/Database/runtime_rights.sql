-- What the role with which Operations runs may write; it reads everything. To the audit trail it only adds.
-- A table that is not listed can only be read.
grant insert on audit_entries, data_protection_keys to {runtime};
grant insert, update, delete on mismatches, reconciliation_cursors to {runtime};
