using MassTransit.RabbitMqTransport;
using MassTransit.RabbitMqTransport.Topology;
using MassTransit.Transports;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

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

    readonly LogLimit _failures = new();
    readonly IConnectionContextSupervisor _connections = instance.Connections();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
            try
            {
                await Task.Delay(Interval, stoppingToken);
                var connection = await _connections.GetAsync(stoppingToken);
                // One that was created with other arguments must not keep the others from being declared.
                var areDeclared = true;
                foreach (var endpoint in topology.Build())
                    areDeclared &= await DeclareAsync(endpoint, connection, stoppingToken);
                if (areDeclared && _failures.HasEnded(out var duration))
                    LogDeclared(duration);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                Report(e);
            }
            catch (OperationCanceledException)
            {
                return;
            }
    }

    async Task<bool> DeclareAsync(
        BrokerTopology endpoint, IConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            await RabbitTopology.Declare(endpoint, connection, cancellationToken);
            return true;
        }
        catch (OperationInterruptedException e)
        {
            Report(e);
            return false;
        }
    }

    void Report(Exception error)
    {
        if (_failures.IsDue(error, out var count))
            LogNotDeclared(Reason.Of(error), count);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The queues that the service receives from, or their exchanges "
        + "and bindings, cannot be checked. If one was deleted, its messages do not arrive until this succeeds; it is "
        + "tried every five seconds: {Reason}. Failures since the last such line: {Count}")]
    partial void LogNotDeclared(string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "The queues that the service receives from are checked again, after {Duration}")]
    partial void LogDeclared(TimeSpan duration);
}
