using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Service.Defaults;

#nullable disable

namespace Orders.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(OrderDbContext))]
    [Migration("20261129050000_Archive")]
    public class Archive : Migration
    {
        /// <summary>
        /// Adds the archive, which is empty until something is older than <c>Archive:After</c>. The migration
        /// <see cref="Callers" /> adds what reads and fills it.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql(EmbeddedFile.Read<ArchiveOptions>("archive_partitions.sql"));
            migrationBuilder.Sql(EmbeddedFile.Read<OrderDbContext>("archive_orders.sql"));
            migrationBuilder.Sql("drop function refuse_transition_change cascade");
            migrationBuilder.Sql(EmbeddedFile.Read<OrderDbContext>("order_transitions_are_append_only.sql"));
        }

        /// <summary>Moves what is archived back to where it came from.</summary>
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("""
                drop function refuse_archived_request cascade;
                drop function archive_finished;
                alter table orders disable trigger user;
                insert into orders (order_id, current_state, account_id, items, total, currency, owner, request_id,
                    reason, create_time, update_time, last_event, resend_time)
                select order_id, current_state, account_id, items, total, currency, owner, request_id, reason,
                    create_time, update_time, last_event, null
                from orders_archive;
                alter table orders enable trigger user;
                insert into order_transitions (order_id, sequence, time, from_state, to_state, event, reason)
                select order_id, sequence, time, from_state, to_state, event, reason from order_transitions_archive;
                drop view all_orders;
                drop view all_order_transitions;
                drop table orders_archive;
                drop table order_transitions_archive;
                drop table archived_requests;
                """);
            migrationBuilder.Sql(EmbeddedFile.Read<ArchiveOptions>("drop_archive_partitions.sql"));
        }
    }
}
