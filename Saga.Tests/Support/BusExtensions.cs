using MassTransit;
using Saga.Servers;

namespace Saga.Tests.Support;

/// <summary>Configures the bus of a test.</summary>
static class BusExtensions
{
    /// <summary>Connects to a virtual host with an administrator's login; encrypts if the broker does.</summary>
    public static void Connect(this IRabbitMqBusFactoryConfigurator rabbit, RabbitServer server, string virtualHost)
    {
        var address = new Uri(server.Amqp(virtualHost));
        rabbit.Host(address, host =>
        {
            host.Heartbeat(TimeSpan.FromSeconds(30));
            if (LocalTls.Instance != null)
                host.UseSsl(x => x.ServerName = address.Host);
        });
    }

    /// <summary>Gives all messages of a bus a user of the broker as their sender: a service.</summary>
    public static void SignAs(this IRabbitMqBusFactoryConfigurator rabbit, string user)
    {
        rabbit.ConfigureSend(x => x.UseExecute(Sign));
        rabbit.ConfigurePublish(x => x.UseExecute(Sign));

        void Sign(SendContext send) => send.GetPayload<RabbitMqSendContext>().BasicProperties.UserId = user;
    }
}
