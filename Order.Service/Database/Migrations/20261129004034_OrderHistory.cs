using System;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;
using Service.Defaults;

#nullable disable

namespace Orders.Database.Migrations
{
    /// <inheritdoc />
    public partial class OrderHistory : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "last_event",
                table: "orders",
                type: "character varying(32)",
                maxLength: 32,
                nullable: true);

            migrationBuilder.CreateTable(
                name: "order_transitions",
                columns: table => new
                {
                    order_id = table.Column<Guid>(type: "uuid", nullable: false),
                    sequence = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    time = table.Column<DateTime>(type: "timestamp with time zone", nullable: false),
                    from_state = table.Column<string>(type: "character varying(16)", maxLength: 16, nullable: true),
                    to_state = table.Column<string>(type: "character varying(16)", maxLength: 16, nullable: false),
                    @event = table.Column<string>(name: "event", type: "character varying(32)", maxLength: 32, nullable: true),
                    reason = table.Column<string>(type: "character varying(20)", maxLength: 20, nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_order_transitions", x => new { x.order_id, x.sequence });
                });

            // Like the ledger: rows are only added.
            migrationBuilder.Sql("""
                alter table order_transitions set (
                    autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)
                """);
            migrationBuilder.Sql(EmbeddedFile.Read<OrderDbContext>("order_transitions_are_append_only.sql"));
            migrationBuilder.Sql(EmbeddedFile.Read<OrderDbContext>("record_order_transitions.sql"));
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("drop function record_order_transitions cascade");
            migrationBuilder.DropTable(
                name: "order_transitions");
            migrationBuilder.Sql("drop function refuse_transition_change");

            migrationBuilder.DropColumn(
                name: "last_event",
                table: "orders");
        }
    }
}
