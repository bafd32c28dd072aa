using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Service.Defaults;

#nullable disable

namespace Accounts.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(AccountDbContext))]
    [Migration("20261129200000_Callers")]
    public class Callers : Migration
    {
        /// <summary>
        /// Records who opens accounts and deposits. The columns are null for what earlier builds wrote.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.LockView("all_ledger_entries");
            migrationBuilder.Sql("alter table accounts add opened_by varchar(255)");
            migrationBuilder.Sql("alter table ledger_entries add deposited_by varchar(255)");
            migrationBuilder.Sql(EmbeddedFile.Read<AccountDbContext>("all_ledger_entries.sql"));
            migrationBuilder.Sql(EmbeddedFile.Read<AccountDbContext>("opener_is_final.sql"));
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("drop function refuse_caller_change cascade; drop view all_ledger_entries");
            migrationBuilder.Sql(EmbeddedFile.Read<AccountDbContext>("all_ledger_entries.sql")
                .Replace(", deposited_by", "", StringComparison.Ordinal)
                .Replace("create_time, null", "create_time", StringComparison.Ordinal));
            migrationBuilder.Sql("alter table ledger_entries drop deposited_by");
            migrationBuilder.Sql("alter table accounts drop opened_by");
        }
    }
}
