-- Rejects every change of the history of an order, even by the service itself.
-- To change an existing database, add a migration that drops the function and its trigger and runs this file again.
create function refuse_transition_change() returns trigger language plpgsql as $$
begin
    raise exception 'the transitions of orders are never changed or deleted';
end $$;

create trigger order_transitions_are_append_only before update or delete or truncate on order_transitions
    for each statement execute function refuse_transition_change();
