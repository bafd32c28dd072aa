using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Orders.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(OrderDbContext))]
    [Migration("20261128140000_ResendTimeDefault")]
    public class ResendTimeDefault : Migration
    {
        /// <summary>
        /// Replicas of the version before run until the upgrade has reached them, and insert orders without a
        /// resend_time. With a default, newer replicas ask Account about these orders, too. Orders that are open
        /// without a resend_time were inserted in such an upgrade; of confirmed ones, Account has captured the funds.
        /// </summary>
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("alter table orders alter resend_time set default now() + interval '5 seconds'");
            migrationBuilder.Sql("""
                update orders set resend_time = now()
                where resend_time is null and current_state in ('Reserving', 'Cancelling')
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder) =>
            migrationBuilder.Sql("alter table orders alter resend_time drop default");
    }
}
