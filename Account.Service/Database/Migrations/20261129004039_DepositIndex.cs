using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Accounts.Database.Migrations
{
    /// <inheritdoc />
    public partial class DepositIndex : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "ix_ledger_entries_deposits",
                table: "ledger_entries",
                column: "entry_id",
                filter: "kind = 'Deposit'");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_ledger_entries_deposits",
                table: "ledger_entries");
        }
    }
}
