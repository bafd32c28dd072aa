using Npgsql;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>Runs both services in an environment that differs from the usual one.</summary>
public abstract class EnvironmentFixture : SystemFixture
{
    protected const string Database = "ConnectionStrings__Database";

    protected override OrderSystemOptions Options => new()
    {
        Adjust = x => new Dictionary<string, string>(x) { [Database] = ChangeDatabase(x[Database]) },
    };

    /// <summary>Prepares the database of a service, and returns the connection string that the service uses.</summary>
    protected virtual string ChangeDatabase(string connectionString) => connectionString;

    /// <summary>Executes a statement as the superuser of the servers for tests.</summary>
    /// <param name="service">A connection string of the database.</param>
    /// <param name="sql">The statement; {role} is the user of the connection string.</param>
    public static void ExecuteAsAdmin(string service, string sql)
    {
        var own = new NpgsqlConnectionStringBuilder(service);
        using var source = NpgsqlDataSource.Create(TestServers.GetAsync().Result.Postgres.Admin(own.Database!));
        using var command = source.CreateCommand(sql.Replace("{role}", own.Username, StringComparison.Ordinal));
        command.ExecuteNonQuery();
    }

    /// <summary>Places orders concurrently, and asserts that each is confirmed and nothing is left.</summary>
    protected async Task AssertOrdersCompleteAsync(int count = 30)
    {
        var account = await OpenAccountAsync(count);
        await AssertConfirmedAsync(await PlaceOrdersAsync(count, account));
        await AuditAsync();
    }
}
