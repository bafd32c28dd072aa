using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Orders.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(OrderDbContext))]
    [Migration("20261125003000_NotifyWithoutJoin")]
    public class NotifyWithoutJoin : Migration
    {
        internal const string CreateTrigger = """
            create function notify_orders_changed() returns trigger language plpgsql as $$
            declare
                lines text;
            begin
                for lines in
                    select string_agg(line, E'\n') from (
                        select concat_ws('|', order_id, current_state, coalesce(reason, ''),
                            to_char(update_time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) as line,
                            row_number() over () as number
                        from now_rows) as changed
                    group by number / 60
                loop
                    perform pg_notify('order_changed', lines);
                end loop;
                return null;
            end $$;

            create trigger orders_changed after update on orders referencing new table as now_rows
                for each statement execute function notify_orders_changed();
            """;

        /// <summary>
        /// The trigger no longer joins the old rows to leave out updates without a status change. Such updates are
        /// rare, and watchers ignore them. The join had no index, so its cost per row grew with the rows of a commit.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("drop function notify_orders_changed cascade");
            migrationBuilder.Sql(CreateTrigger);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder) => migrationBuilder.Sql("""
            drop function notify_orders_changed cascade;
            create function notify_orders_changed() returns trigger language plpgsql as $$
            declare
                lines text;
            begin
                for lines in
                    select string_agg(line, E'\n') from (
                        select concat_ws('|', n.order_id, n.current_state, coalesce(n.reason, ''),
                            to_char(n.update_time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) as line,
                            row_number() over () as number
                        from now_rows n join old_rows o using (order_id)
                        where o.current_state is distinct from n.current_state) as changed
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
}
