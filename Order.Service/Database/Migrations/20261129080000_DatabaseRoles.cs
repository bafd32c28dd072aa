using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Service.Defaults;

#nullable disable

namespace Orders.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(OrderDbContext))]
    [Migration("20261129080000_DatabaseRoles")]
    public class DatabaseRoles : Migration
    {
        /// <summary>
        /// Prepares the functions with the rights of the owner for callers that are not the owner: they find no
        /// temporary tables of a caller, and only the trigger writes transitions.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("drop function record_order_transitions cascade");
            migrationBuilder.Sql(EmbeddedSql.Read<OrderDbContext>("record_order_transitions.sql"));
            migrationBuilder.Sql("""
                do $$ begin
                    execute format('alter function archive_finished(timestamptz, uuid, integer)
                        set search_path = %I, pg_temp', current_schema());
                end $$
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder) =>
            migrationBuilder.Sql("alter function record_order_transitions() security invoker reset search_path");
    }
}
