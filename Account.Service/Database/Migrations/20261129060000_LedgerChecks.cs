using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Accounts.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(AccountDbContext))]
    [Migration("20261129060000_LedgerChecks")]
    public class LedgerChecks : Migration
    {
        /// <summary>Adds the table that remembers up to which entry CheckAccounts has replayed each ledger.</summary>
        protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql("""
            create table ledger_checks (
                account_id uuid primary key,
                entry_id bigint not null,
                available numeric(19, 4) not null,
                held numeric(19, 4) not null,
                captured numeric(19, 4) not null,
                full_time timestamptz not null
            ) with (fillfactor = 70)
            """);

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder) =>
            migrationBuilder.Sql("drop table ledger_checks");
    }
}
