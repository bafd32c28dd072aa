using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Accounts.Migrations
{
    /// <inheritdoc />
    public partial class HotTables : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            // accounts: updated often, never in an indexed column. Half-empty pages allow heap-only (HOT) updates.
            // reservations: updated once, also as a HOT update.
            // outbox_message and inbox_state: as in Order's database.
            migrationBuilder.Sql("""
                alter table accounts set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
                alter table reservations set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
                alter table ledger_entries set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
                alter table outbox_message set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
                alter table inbox_state set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("""
                alter table accounts reset (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
                alter table reservations reset (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
                alter table ledger_entries reset (autovacuum_vacuum_insert_scale_factor, autovacuum_analyze_scale_factor);
                alter table outbox_message reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
                alter table inbox_state reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
                """);
        }
    }
}
