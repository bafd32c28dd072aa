using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Accounts.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(AccountDbContext))]
    [Migration("20261130070000_ListsOfOwners")]
    public class ListsOfOwners : Migration
    {
        static readonly string[] Tables = ["reservations_archive", "reservations"]; // the table that is written to last

        /// <summary>
        /// Adds an index for the rejected reservations that the owner of their account sees: others can name it, any
        /// number of times.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            foreach (var table in Tables)
                migrationBuilder.Sql($"""
                    create index ix_{table}_rejected on {table} (account_id, order_id)
                        where status = 'Rejected' and reason <> 'AccountNotFound'
                    """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            foreach (var table in Tables)
                migrationBuilder.Sql($"drop index ix_{table}_rejected");
        }
    }
}
