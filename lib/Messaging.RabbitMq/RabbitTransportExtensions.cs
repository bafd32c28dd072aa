using MassTransit;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Messaging.RabbitMq;

/// <summary>Registers this transport for the outbox of a DbContext.</summary>
public static class RabbitTransportExtensions
{
    /// <summary>
    /// Sends the outbox's messages by a <see cref="RabbitTransport{TDbContext}" />, and logs a critical error when a
    /// message is moved to an error queue. Call it before <c>AddEntityFrameworkOutbox</c>.
    /// </summary>
    public static IServiceCollection AddRabbitTransport<TDbContext>(this IServiceCollection services)
        where TDbContext : DbContext =>
        services.AddOptions().AddReceiveObserver<FaultAlarm>()
            .AddSendObserver<MessageSigner>().AddPublishObserver<MessageSigner>()
            .AddSingleton<SkippedMessageAlarm>()
            .AddSingleton<BrokerConnection>()
            .AddSingleton<MessageSenders>()
            .AddSingleton<SenderCheck>()
            .AddSingleton<QueueBacklog>()
            .AddSingleton<BatchQueues>()
            .AddSingleton<ReceiveTopology>()
            .AddSingleton<QueuePauses>()
            .AddSingleton<MovedMessages>()
            .AddHostedService<QueueGauges>()
            .AddHostedService<TopologyRepair>()
            .AddSingleton<BusTransport<TDbContext>>()
            .AddSingleton<RabbitTransport<TDbContext>>()
            .AddSingleton<IOutboxTransport<TDbContext>>(x => x.GetRequiredService<RabbitTransport<TDbContext>>());

    /// <summary>Adds the health check that waits until everything the service sends to is declared.</summary>
    /// <param name="services">The service.</param>
    /// <param name="sendsTo">The addresses that the service sends messages to.</param>
    /// <param name="publishes">The types of the messages that the service publishes.</param>
    internal static IServiceCollection AddTransportReadiness<TDbContext>(this IServiceCollection services,
        Uri[] sendsTo, Type[] publishes)
        where TDbContext : DbContext =>
        services.AddSingleton(x => new TransportReadiness(
                token => x.GetRequiredService<RabbitTransport<TDbContext>>().Prepare(sendsTo, publishes, token),
                () => x.GetRequiredService<IBusControl>().CheckHealth().Status != BusHealthStatus.Unhealthy,
                () => x.GetRequiredService<BrokerConnection>().IsUnreachable))
            .AddHostedService(x => x.GetRequiredService<TransportReadiness>());

    /// <summary>
    /// Makes the send fail, so that the message stays in the outbox, until a queue receives the message: a command to a
    /// service that has never run must not be dropped by the broker.
    /// </summary>
    public static void RequireQueue(this SendContext context)
    {
        if (context is PublishContext publish)
            publish.Mandatory = true;
    }
}
