-- Rejects every change of the history of an order, even by the service itself. A transition can leave its table only if
-- the archive has the same row.
-- To change an existing database, add a migration that drops the function and its triggers and runs this file again.
create function refuse_transition_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if not exists (
            select order_id, sequence, time, from_state, to_state, event, reason from deleted
            except
            select order_id, sequence, time, from_state, to_state, event, reason from order_transitions_archive
            where order_id = any (array(select order_id from deleted))) then
            return null;
        end if;
    end if;
    raise exception 'the transitions of orders are never changed or deleted';
end $$;

create trigger order_transitions_are_append_only before update or truncate on order_transitions
    for each statement execute function refuse_transition_change();

create trigger order_transitions_are_not_lost after delete on order_transitions referencing old table as deleted
    for each statement execute function refuse_transition_change();
