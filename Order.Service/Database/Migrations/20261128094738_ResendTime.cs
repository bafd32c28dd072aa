using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Orders.Migrations
{
    /// <inheritdoc />
    public partial class ResendTime : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            // The version before did not know whether Account has captured the funds of an order, or has received its
            // commands: every order asks once. A constant default does not rewrite the table. It also applies to
            // finished orders that wait for nothing; the index leaves them out.
            migrationBuilder.Sql("alter table orders add resend_time timestamptz default now()");
            migrationBuilder.Sql("alter table orders alter resend_time drop default");

            migrationBuilder.CreateIndex(
                name: "ix_orders_resend",
                table: "orders",
                column: "resend_time",
                filter: "resend_time is not null and current_state in ('Reserving', 'Cancelling', 'Confirmed')");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_orders_resend",
                table: "orders");

            migrationBuilder.DropColumn(
                name: "resend_time",
                table: "orders");
        }
    }
}
