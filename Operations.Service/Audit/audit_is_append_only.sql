-- Rejects every change of a line of the audit trail, even by the service itself.
create function refuse_audit_change() returns trigger language plpgsql as $$
begin
    raise exception 'lines of the audit trail are never changed or deleted';
end $$;

create trigger audit_is_append_only before update or delete or truncate on audit_entries
    for each statement execute function refuse_audit_change();
