using System.Collections.Concurrent;
using MassTransit;
using MassTransit.RabbitMqTransport;
using MassTransit.RabbitMqTransport.Configuration;
using MassTransit.RabbitMqTransport.Topology;
using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>
/// The queues that the service receives from, with the exchanges and bindings through which messages reach them.
/// </summary>
sealed class ReceiveTopology
{
    readonly ConcurrentQueue<(IRabbitMqReceiveEndpointConfiguration Configuration, bool Batches)> _endpoints = new();

    /// <summary>Adds an endpoint that is being configured.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="batches">Whether it consumes <see cref="MessageBatch">batches</see> too.</param>
    public void Add(IRabbitMqReceiveEndpointConfigurator endpoint, bool batches) =>
        _endpoints.Enqueue(((IRabbitMqReceiveEndpointConfiguration)endpoint, batches));

    /// <summary>The names of the queues, each once, without those of batches.</summary>
    public IEnumerable<string> Queues => _endpoints.Select(x => x.Configuration.Settings.QueueName).Distinct();

    /// <summary>
    /// What is declared when the endpoints start; complete once the bus has been built. The queues of batches are the
    /// last, because the broker may refuse them.
    /// </summary>
    public IReadOnlyList<BrokerTopology> Build() =>
    [
        .. _endpoints.Select(x => Build(x.Configuration)),
        .. _endpoints.Where(x => x.Batches).Select(x => BatchQueueOf(x.Configuration.Settings)),
    ];

    static BrokerTopology Build(IRabbitMqReceiveEndpointConfiguration endpoint)
    {
        var (settings, topology) = (endpoint.Settings, new ReceiveEndpointBrokerTopologyBuilder());
        topology.Exchange = topology.ExchangeDeclare(settings.ExchangeName ?? settings.QueueName,
            settings.ExchangeType, settings.Durable, settings.AutoDelete, settings.ExchangeArguments);
        topology.Queue = topology.QueueDeclare(settings.QueueName, settings.Durable, settings.AutoDelete,
            settings.Exclusive, new Dictionary<string, object>(settings.QueueArguments));
        topology.QueueBind(topology.Exchange, topology.Queue, settings.RoutingKey, settings.BindingArguments);
        ((IRabbitMqEndpointConfiguration)endpoint).Topology.Consume.Apply(topology);
        return topology.BuildBrokerTopology();
    }

    /// <summary>The queue of an endpoint's batches, of the kind of the endpoint's own, with its exchange.</summary>
    public static BrokerTopology BatchQueueOf(ReceiveSettings settings)
    {
        var name = MessageBatch.QueueOf(settings.QueueName);
        var topology = new ReceiveEndpointBrokerTopologyBuilder();
        topology.Exchange = topology.ExchangeDeclare(name, ExchangeType.Fanout, settings.Durable, settings.AutoDelete,
            new Dictionary<string, object>());
        topology.Queue = topology.QueueDeclare(name, settings.Durable, settings.AutoDelete, settings.Exclusive,
            new Dictionary<string, object>(settings.QueueArguments));
        topology.QueueBind(topology.Exchange, topology.Queue, "", new Dictionary<string, object>());
        return topology.BuildBrokerTopology();
    }
}
