using Saga.Servers;
using Saga.Services;

namespace Saga.Tests; // not Support: a SetUpFixture stops what the tests of its namespace use

/// <summary>
/// PostgreSQL and RabbitMQ for all tests: started by the first test that needs them, stopped after the last test.
/// </summary>
[SetUpFixture]
public sealed class TestServers
{
    static readonly Lazy<Task<IServers>> Servers = new(async () =>
    {
        var servers = await ServerChoice.StartAsync(wellKnownPorts: false);
        await TestContext.Progress.WriteLineAsync($"servers: {servers.Description}");
        return servers;
    });

    static readonly Lazy<Task<OrderSystem>> Migrated = new(async () => await OrderSystem.MigrateOnlyAsync(
        await GetAsync(), new OrderSystemOptions { Suffix = NewName("_migrated"), WithOperations = true }));

    static int _names;

    public static Task<IServers> GetAsync() => Servers.Value;

    /// <summary>Migrates databases once, and returns their suffix.</summary>
    public static async Task<string> GetMigratedAsync() => (await Migrated.Value).Suffix;

    /// <summary>Returns a name that no other test uses.</summary>
    public static string NewName(string prefix) =>
        $"{prefix}_{Environment.ProcessId}_{Interlocked.Increment(ref _names)}";

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (Migrated.IsValueCreated && Migrated.Value.IsCompletedSuccessfully)
            await (await Migrated.Value).DisposeAsync();
        if (Servers.IsValueCreated && Servers.Value.IsCompletedSuccessfully)
            await (await Servers.Value).DisposeAsync();
    }
}
