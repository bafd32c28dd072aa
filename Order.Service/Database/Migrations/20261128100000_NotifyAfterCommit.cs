using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Orders.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(OrderDbContext))]
    [Migration("20261128100000_NotifyAfterCommit")]
    public class NotifyAfterCommit : Migration
    {
        /// <summary>
        /// Removes the trigger: a notification that PostgreSQL refuses, because its queue is full, made the commit of
        /// its order fail. OrderNotifier notifies after the commit instead.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder) =>
            migrationBuilder.Sql("drop function notify_orders_changed cascade");

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder) =>
            migrationBuilder.Sql(NotifyWithoutJoin.CreateTrigger);
    }
}
