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
        /// Prepares the trigger with the rights of the owner for callers that are not the owner: it finds no temporary
        /// tables of a caller, and only it writes transitions.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("drop function record_order_transitions cascade");
            migrationBuilder.Sql(EmbeddedFile.Read<OrderDbContext>("record_order_transitions.sql"));
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder) =>
            migrationBuilder.Sql("alter function record_order_transitions() security invoker reset search_path");
    }
}
