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
        /// <summary>
        /// The rows as they were are not asked for any more: an update that leaves the status as it is is news to no watcher, and hardly ever
        /// happens. To join all rows of a statement without an index costs each of them more, the more of them commit together.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(Notify("""
            select concat_ws('|', order_id, current_state, coalesce(reason, ''),
                to_char(update_time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) as line, row_number() over () as number
            from now_rows
            """, "new table as now_rows"));

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(Notify("""
            select concat_ws('|', n.order_id, n.current_state, coalesce(n.reason, ''),
                to_char(n.update_time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) as line, row_number() over () as number
            from now_rows n join old_rows o using (order_id) where o.current_state is distinct from n.current_state
            """, "old table as old_rows new table as now_rows"));

        /// <summary>A notification for up to 60 orders, which stays below its 8,000 bytes.</summary>
        static string Notify(string lines, string tables) => $$"""
            drop function notify_orders_changed cascade;
            create function notify_orders_changed() returns trigger language plpgsql as $$
            declare
                lines text;
            begin
                for lines in
                    select string_agg(line, E'\n') from ({{lines}}) as changed group by number / 60
                loop
                    perform pg_notify('order_changed', lines);
                end loop;
                return null;
            end $$;
            create trigger orders_changed after update on orders referencing {{tables}}
                for each statement execute function notify_orders_changed();
            """;
    }
}
