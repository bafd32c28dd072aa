using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Orders.Database.Migrations
{
    /// <inheritdoc />
    public partial class Owner : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "owner",
                table: "orders",
                type: "character varying(255)",
                maxLength: 255,
                nullable: true);

            migrationBuilder.CreateIndex(
                name: "ix_orders_owner_current_state_order_id",
                table: "orders",
                columns: new[] { "owner", "current_state", "order_id" },
                filter: "owner is not null");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_orders_owner_current_state_order_id",
                table: "orders");

            migrationBuilder.DropColumn(
                name: "owner",
                table: "orders");
        }
    }
}
