using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Accounts.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(AccountDbContext))]
    [Migration("20261129080000_DatabaseRoles")]
    public class DatabaseRoles : Migration
    {
        /// <summary>
        /// Prepares the functions with the rights of the owner for callers that are not the owner: it finds no
        /// temporary tables of a caller.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql("""
            do $$ begin
                execute format('alter function archive_finished(timestamptz, uuid, integer)
                    set search_path = %I, pg_temp', current_schema());
            end $$
            """);

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            // The function is safer so, and works for every caller.
        }
    }
}
