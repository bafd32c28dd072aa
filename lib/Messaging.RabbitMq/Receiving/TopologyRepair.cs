using MassTransit.RabbitMqTransport;
using MassTransit.Transports;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Messaging.RabbitMq;

/// <summary>
/// Declares the queues, exchanges and bindings that the service receives by again every few seconds. MassTransit
/// declares them once. If an operator deletes an exchange or a binding after that, the consumer does not notice, and
/// published messages would never reach its queue again.
/// </summary>
sealed partial class TopologyRepair(ReceiveTopology topology, IBusInstance instance, ILogger<TopologyRepair> log)
    : BackgroundService
{
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    readonly IConnectionContextSupervisor _connections = instance.Connections();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var logged = ""; !stoppingToken.IsCancellationRequested;)
            try
            {
                await Task.Delay(Interval, stoppingToken);
                var connection = await _connections.GetAsync(stoppingToken);
                foreach (var endpoint in topology.Build())
                    await RabbitTopology.Declare(endpoint, connection, stoppingToken);
                logged = "";
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                if (logged != e.Message)
                    LogNotDeclared(logged = e.Message);
            }
            catch (OperationCanceledException)
            {
                return;
            }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The queues that the service receives from, or their exchanges "
        + "and bindings, could not be declared again; the next attempt is in five seconds: {Reason}")]
    partial void LogNotDeclared(string reason);
}
