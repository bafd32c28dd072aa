using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Accounts.Database.Migrations
{
    /// <inheritdoc />
    public partial class Owner : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "owner",
                table: "accounts",
                type: "character varying(255)",
                maxLength: 255,
                nullable: true);

            migrationBuilder.CreateIndex(
                name: "ix_accounts_owner_account_id",
                table: "accounts",
                columns: new[] { "owner", "account_id" },
                filter: "owner is not null");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_accounts_owner_account_id",
                table: "accounts");

            migrationBuilder.DropColumn(
                name: "owner",
                table: "accounts");
        }
    }
}
