using MassTransit;
using MassTransit.RabbitMqTransport;
using MassTransit.RabbitMqTransport.Configuration;
using MassTransit.Transports;
using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>MassTransit's connection to the broker, for channels beside those of its endpoints.</summary>
static class BusConnection
{
    /// <summary>The connections of a bus on RabbitMQ.</summary>
    public static IConnectionContextSupervisor Connections(this IBusInstance instance) =>
        ((IRabbitMqHostConfiguration)instance.HostConfiguration).ConnectionContextSupervisor;

    /// <summary>Waits until MassTransit is connected. The connection may be lost at any time after that.</summary>
    public static async Task<IConnection> GetAsync(
        this IConnectionContextSupervisor connections, CancellationToken cancellationToken)
    {
        IConnection? connection = null;
        await connections.Send(Pipe.Execute<ConnectionContext>(x => connection = x.Connection), cancellationToken)
            .ConfigureAwait(false);
        return connection!;
    }
}
