using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Orders.Database.Migrations
{
    /// <inheritdoc />
    public partial class FewerListIndexes : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_orders_account_id_order_id",
                table: "orders");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "ix_orders_account_id_order_id",
                table: "orders",
                columns: new[] { "account_id", "order_id" });
        }
    }
}
