using Npgsql;

namespace Saga.Servers;

/// <summary>The connection strings of a database's three roles.</summary>
/// <param name="Owner">Owns the database, and migrates it.</param>
/// <param name="Runtime">The service runs with it: reads, and writes rows.</param>
/// <param name="Reader">Reads only.</param>
public sealed record DatabaseLogins(string Owner, string Runtime, string Reader)
{
    /// <summary>The settings of a service that only migrates the database.</summary>
    public IReadOnlyDictionary<string, string> ToMigrate => new Dictionary<string, string>
    {
        ["ConnectionStrings__Database"] = Owner,
        ["Database__RuntimeRole"] = RoleOf(Runtime),
        ["Database__ReaderRole"] = RoleOf(Reader),
    };

    static string RoleOf(string connectionString) => new NpgsqlConnectionStringBuilder(connectionString).Username!;
}
