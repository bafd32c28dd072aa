using System;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Orders.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(OrderDbContext))]
    [Migration("20261130150000_OutboxOwners")]
    public class OutboxOwners : Migration
    {
        /// <summary>Gives unsent messages an owner: the replica that sends them while it lives.</summary>
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<Guid>("owner_id", "outbox_message", "uuid", nullable: true);
            migrationBuilder.CreateTable(
                name: "outbox_state",
                columns: table => new
                {
                    outbox_id = table.Column<Guid>("uuid", nullable: false),
                    heartbeats = table.Column<long>("bigint", nullable: false),
                },
                constraints: table => table.PrimaryKey("pk_outbox_state", x => x.outbox_id));
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable("outbox_state");
            migrationBuilder.DropColumn("owner_id", "outbox_message");
        }
    }
}
