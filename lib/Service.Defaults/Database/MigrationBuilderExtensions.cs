using Microsoft.EntityFrameworkCore.Migrations;

namespace Service.Defaults;

/// <summary>Steps that migrations share.</summary>
public static class MigrationBuilderExtensions
{
    /// <summary>
    /// Locks a view and its tables until the migration is committed; nothing if the view does not exist yet. Whoever
    /// reads a view locks it before its tables. A migration that changed a table first, and then the view, would
    /// deadlock with them.
    /// </summary>
    public static void LockView(this MigrationBuilder migration, string view)
    {
        ArgumentNullException.ThrowIfNull(migration);
        migration.Sql($"""
            do $$ begin
                if to_regclass('{view}') is not null then
                    lock table {view} in access exclusive mode;
                end if;
            end $$
            """);
    }
}
