using Saga.Servers;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>PgBouncer in front of the PostgreSQL server for tests.</summary>
static class Pooler
{
    /// <summary>Starts it; ignores the test if PgBouncer is not installed.</summary>
    /// <param name="settings">Lines of its configuration that differ from the defaults.</param>
    public static async Task<LocalPgBouncer> StartAsync(params IEnumerable<string> settings)
    {
        if (LocalPgBouncer.FindProgram() == null)
            throw new IgnoreException("the test needs PgBouncer: apt-get install pgbouncer");
        var servers = await TestServers.GetAsync();
        return await LocalPgBouncer.StartAsync(servers.Folder, servers.Postgres.Address, settings);
    }
}
