namespace Saga.Twin;

/// <summary>The role <c>order</c>: accepts orders, and confirms them when their funds are reserved.</summary>
static class OrderRole
{
    // The load measures by these notifications: lines of order id | state, at most 100 in a notification.
    const string Schema = """
        create table orders (
            order_id uuid primary key,
            account_id uuid not null,
            total numeric(19,4) not null,
            current_state text not null,
            create_time timestamptz not null default now(),
            update_time timestamptz not null default now());

        create function notify_order_changes() returns trigger language plpgsql as $$
        begin
            perform pg_notify('order_changed', string_agg(order_id || '|' || current_state, E'\n'))
            from (select order_id, current_state, row_number() over () as number from changed) as numbered
            group by number / 100;
            return null;
        end $$;

        create trigger order_changes after update on orders referencing new table as changed
            for each statement execute function notify_order_changes();
        """;

    public static TwinRole Role { get; } = new(Schema, AddServices, app => app.MapGrpcService<OrderGrpcService>());

    static void AddServices(IServiceCollection services)
    {
        services.AddSingleton<OrderCreator>();
        services.AddHostedService(x => x.GetRequiredService<OrderCreator>());
        services.AddEndpoint<FundsReserved, FundsReservedHandler>();
    }
}
