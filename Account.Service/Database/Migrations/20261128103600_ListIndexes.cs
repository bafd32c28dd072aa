using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace Accounts.Database.Migrations
{
    /// <inheritdoc />
    public partial class ListIndexes : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "data_protection_keys",
                columns: table => new
                {
                    id = table.Column<int>(type: "integer", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    friendly_name = table.Column<string>(type: "text", nullable: true),
                    xml = table.Column<string>(type: "text", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_data_protection_keys", x => x.id);
                });

            migrationBuilder.CreateIndex(
                name: "ix_reservations_account_id_order_id",
                table: "reservations",
                columns: new[] { "account_id", "order_id" });

            migrationBuilder.CreateIndex(
                name: "ix_reservations_account_id_status_order_id",
                table: "reservations",
                columns: new[] { "account_id", "status", "order_id" });

            migrationBuilder.CreateIndex(
                name: "ix_reservations_status_order_id",
                table: "reservations",
                columns: new[] { "status", "order_id" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "data_protection_keys");

            migrationBuilder.DropIndex(
                name: "ix_reservations_account_id_order_id",
                table: "reservations");

            migrationBuilder.DropIndex(
                name: "ix_reservations_account_id_status_order_id",
                table: "reservations");

            migrationBuilder.DropIndex(
                name: "ix_reservations_status_order_id",
                table: "reservations");
        }
    }
}
