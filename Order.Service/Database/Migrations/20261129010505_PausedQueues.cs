using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Orders.Database.Migrations
{
    /// <inheritdoc />
    public partial class PausedQueues : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "paused_queues",
                columns: table => new
                {
                    name = table.Column<string>(type: "text", nullable: false),
                    @operator = table.Column<string>(name: "operator", type: "text", nullable: false),
                    reason = table.Column<string>(type: "text", nullable: false),
                    pause_time = table.Column<DateTime>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_paused_queues", x => x.name);
                });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "paused_queues");
        }
    }
}
