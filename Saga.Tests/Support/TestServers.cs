using Saga.Servers;

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

    static int _names;

    public static Task<IServers> GetAsync() => Servers.Value;

    /// <summary>Returns a name that no other test uses.</summary>
    public static string NewName(string prefix) =>
        $"{prefix}_{Environment.ProcessId}_{Interlocked.Increment(ref _names)}";

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (Servers.IsValueCreated && Servers.Value.IsCompletedSuccessfully)
            await (await Servers.Value).DisposeAsync();
    }
}
