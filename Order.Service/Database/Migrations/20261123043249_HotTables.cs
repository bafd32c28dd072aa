using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Orders.Migrations
{
    /// <inheritdoc />
    public partial class HotTables : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "ix_orders_open",
                table: "orders",
                column: "create_time",
                filter: "current_state in ('Initial', 'Reserving', 'Cancelling')");

            // outbox_message: rows live for about a second, and every scan also reads the dead ones. Vacuum often.
            // inbox_state: grows for one duplicate detection window. Then rows are deleted at the rate of inserts. A
            // vacuum reads the whole indexes, so its threshold grows with the table.
            // orders: one or two updates each. Frequent ANALYZE keeps the statistics and the plans current.
            migrationBuilder.Sql("""
                alter table outbox_message set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
                alter table inbox_state set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
                alter table orders set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
                """);

            // One statement can update many orders. Each notification has at most 60 of them, to stay below
            // PostgreSQL's limit of 8,000 bytes.
            migrationBuilder.Sql("""
                drop function notify_order_changed cascade;
                create function notify_orders_changed() returns trigger language plpgsql as $$
                declare
                    lines text;
                begin
                    for lines in
                        select string_agg(line, E'\n') from (
                            select concat_ws('|', n.order_id, n.current_state, coalesce(n.reason, ''),
                                to_char(n.update_time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) as line, row_number() over () as number
                            from now_rows n join old_rows o using (order_id) where o.current_state is distinct from n.current_state) as changed
                        group by number / 60
                    loop
                        perform pg_notify('order_changed', lines);
                    end loop;
                    return null;
                end $$;
                create trigger orders_changed after update on orders referencing old table as old_rows new table as now_rows
                    for each statement execute function notify_orders_changed();
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("""
                drop function notify_orders_changed cascade;
                create function notify_order_changed() returns trigger language plpgsql as $$
                begin
                    perform pg_notify('order_changed', concat_ws('|', new.order_id, new.current_state, coalesce(new.reason, ''),
                        to_char(new.update_time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')));
                    return null;
                end $$;
                create trigger order_changed after update on orders for each row
                    when (old.current_state is distinct from new.current_state) execute function notify_order_changed();
                alter table outbox_message reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
                alter table inbox_state reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
                alter table orders reset (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
                """);

            migrationBuilder.DropIndex(
                name: "ix_orders_open",
                table: "orders");
        }
    }
}
