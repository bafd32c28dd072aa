using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Service.Defaults;

#nullable disable

namespace Orders.Migrations
{
    /// <inheritdoc />
    [DbContext(typeof(OrderDbContext))]
    [Migration("20261129050000_Archive")]
    public class Archive : Migration
    {
        /// <summary>Adds the archive, which is empty until something is older than <c>Archive:After</c>.</summary>
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql(EmbeddedSql.Read<ArchiveOptions>("archive_partitions.sql"));
            migrationBuilder.Sql(EmbeddedSql.Read<OrderDbContext>("archive_orders.sql"));
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder) =>
            throw new System.NotSupportedException("the archive may contain rows that no other table has");
    }
}
