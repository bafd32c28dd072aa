using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Accounts.Database.Migrations
{
    /// <inheritdoc />
    public partial class FewerListIndexes : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_reservations_account_id_order_id",
                table: "reservations");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "ix_reservations_account_id_order_id",
                table: "reservations",
                columns: new[] { "account_id", "order_id" });
        }
    }
}
