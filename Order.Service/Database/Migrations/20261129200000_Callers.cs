using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Service.Defaults;

#nullable disable

namespace Orders.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(OrderDbContext))]
    [Migration("20261129200000_Callers")]
    public class Callers : Migration
    {
        const string Archive = "archive_finished_orders.sql";

        /// <summary>
        /// Records who places and who cancels an order. The columns are null for orders of earlier builds.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.LockView("all_orders");
            foreach (var table in new[] { "orders", "orders_archive" })
                migrationBuilder.Sql($"""
                    alter table {table} add placed_by varchar(255), add cancelled_by varchar(255)
                    """);
            migrationBuilder.Sql(EmbeddedFile.Read<OrderDbContext>(Archive));
            migrationBuilder.Sql(EmbeddedFile.Read<OrderDbContext>("callers_of_orders_are_final.sql"));
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("drop function refuse_caller_change cascade; drop view all_orders");
            migrationBuilder.Sql(EmbeddedFile.Read<OrderDbContext>(Archive)
                .Replace(", placed_by, cancelled_by", "", StringComparison.Ordinal));
            foreach (var table in new[] { "orders", "orders_archive" })
                migrationBuilder.Sql($"alter table {table} drop placed_by, drop cancelled_by");
        }
    }
}
