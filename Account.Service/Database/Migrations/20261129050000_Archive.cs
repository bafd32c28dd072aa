using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Service.Defaults;

#nullable disable

namespace Accounts.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(AccountDbContext))]
    [Migration("20261129050000_Archive")]
    public class Archive : Migration
    {
        /// <summary>
        /// Adds the archive, which is empty until something is older than <c>Archive:After</c>. The migration
        /// <see cref="Callers" /> adds the view of the whole ledger.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql(EmbeddedFile.Read<ArchiveOptions>("archive_partitions.sql"));
            migrationBuilder.Sql(EmbeddedFile.Read<AccountDbContext>("archive_reservations.sql"));
            migrationBuilder.Sql("drop function refuse_ledger_change cascade");
            migrationBuilder.Sql(EmbeddedFile.Read<AccountDbContext>("ledger_is_append_only.sql"));
        }

        /// <summary>Moves what is archived back to where it came from.</summary>
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("""
                drop function archive_finished;
                insert into reservations (order_id, account_id, amount, currency, status, reason, create_time,
                    update_time)
                select order_id, account_id, amount, currency, status, reason, create_time, update_time
                from reservations_archive;
                insert into ledger_entries (entry_id, account_id, order_id, kind, amount, available_after, held_after,
                    captured_after, create_time)
                overriding system value
                select entry_id, account_id, order_id, kind, amount, available_after, held_after, captured_after,
                    create_time
                from ledger_entries_archive;
                drop view all_reservations;
                drop view all_ledger_entries;
                drop table reservations_archive;
                drop table ledger_entries_archive;
                """);
            migrationBuilder.Sql(EmbeddedFile.Read<ArchiveOptions>("drop_archive_partitions.sql"));
        }
    }
}
