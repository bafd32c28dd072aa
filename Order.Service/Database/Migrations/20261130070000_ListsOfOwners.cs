using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Orders.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(OrderDbContext))]
    [Migration("20261130070000_ListsOfOwners")]
    public class ListsOfOwners : Migration
    {
        static readonly string[] Tables = ["orders_archive", "orders"]; // the table that is written to last

        /// <summary>
        /// Adds an index for the orders of an account that its owner has placed: others can name it, any number of
        /// times.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            foreach (var table in Tables)
                migrationBuilder.Sql($"""
                    create index ix_{table}_account_id_owner_current_state_order_id
                        on {table} (account_id, owner, current_state, order_id) where owner is not null
                    """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            foreach (var table in Tables)
                migrationBuilder.Sql($"drop index ix_{table}_account_id_owner_current_state_order_id");
        }
    }
}
