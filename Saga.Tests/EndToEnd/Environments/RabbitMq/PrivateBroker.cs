using Saga.Servers;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>Brokers with a configuration of their own.</summary>
static class PrivateBroker
{
    /// <summary>Starts a broker; ignores the test if RabbitMQ is not installed.</summary>
    /// <param name="erlangArguments">Arguments of the Erlang runtime.</param>
    /// <param name="tls">The certificates of its ports; null for plain ports.</param>
    /// <param name="settings">Lines of rabbitmq.conf.</param>
    public static async Task<LocalRabbit> StartAsync(
        string erlangArguments, LocalTls? tls, params IEnumerable<string> settings)
    {
        if (LocalRabbit.FindProgram() is not { } program)
            throw new IgnoreException("the test needs an installed RabbitMQ");
        var folder = (await TestServers.GetAsync()).Folder;
        var broker = new LocalRabbit(folder, program, Ports.Pick(), Ports.Pick(), tls, settings)
        {
            ErlangArguments = erlangArguments,
        };
        try
        {
            await broker.StartAsync();
            return broker;
        }
        catch
        {
            await broker.DisposeAsync();
            throw;
        }
    }
}
