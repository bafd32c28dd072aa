using System.Data;
using MassTransit;
using MassTransit.Middleware;
using Messaging.Postgres;
using Messaging.RabbitMq;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Service.Defaults;

/// <summary>Registers the message bus of a service.</summary>
public static class MessagingExtensions
{
    /// <summary>
    /// The delivery limit of quorum queues, which must never be reached. RabbitMQ 4 drops a message after 20
    /// redeliveries by default, which crashes and lost connections can cause. The documented value for no limit, -1,
    /// means 0 to RabbitMQ 3.
    /// </summary>
    const int MaxDeliveries = 1_000_000;

    /// <summary>About a day of attempts, because the receiving service may not have been started yet.</summary>
    const int MaxSendAttempts = 1500;

    // Less than ShutdownLimit.StopTime; unfinished messages are then redelivered.
    static readonly TimeSpan BusStopTimeout = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Adds the bus on <c>ConnectionStrings:RabbitMq</c>, an amqp or amqps address of one or several hosts, with the
    /// outbox of <typeparamref name="TDbContext" /> on every endpoint.
    /// </summary>
    /// <param name="builder">The service.</param>
    /// <param name="configure">Adds consumers and sagas.</param>
    /// <param name="sendsTo">
    /// The addresses that the service sends messages to. Unless the broker cannot be reached, the service is ready only
    /// after it has declared their exchanges and those of <paramref name="publishes" />.
    /// </param>
    /// <param name="publishes">The types of the messages that the service publishes.</param>
    public static void AddMessaging<TDbContext>(this WebApplicationBuilder builder,
        Action<IBusRegistrationConfigurator> configure, Uri[] sendsTo, Type[] publishes)
        where TDbContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        var services = builder.Services;
        services.AddOptions<MessagingOptions>().BindConfiguration("Messaging")
            .ValidateDataAnnotations().ValidateOnStart();
        var options = builder.Read("Messaging", x => x.Get<MessagingOptions>(), null) ?? new MessagingOptions();
        services.AddBroker();
        services.AddSingleton<NewerBuildLog>().AddSingleton(OrderSpanTag.OfMessages).AddRabbitTransport<TDbContext>();
        services.AddQueuePauses<TDbContext>(); // before the bus, so that it does not consume what is paused
        if (options.Batches)
            services.Configure<RabbitTransportOptions>(o => o.BatchQueues.UnionWith(sendsTo.Select(QueueOf)));
        services.Configure<SenderOptions>(o =>
        {
            o.Trusted.UnionWith(options.Senders);
            o.Replayers.UnionWith(options.Replayers);
            o.AcceptUnsigned = options.AcceptUnsigned;
        });
        services.Configure<MassTransitHostOptions>(o => o.StopTimeout = BusStopTimeout);
        services.AddMassTransit(x =>
        {
            x.DisableUsageTelemetry();
            // Without the broker the service is still ready: its messages wait in the outbox.
            x.ConfigureHealthCheckOptions(o => o.MinimalFailureStatus = HealthStatus.Degraded);
            x.SetKebabCaseEndpointNameFormatter();
            x.AddEntityFrameworkOutbox<TDbContext>(o =>
            {
                o.UsePostgres();
                o.UseBusOutbox();
                // Locks, unique keys and versions protect what these handlers write, and groups need this level.
                o.IsolationLevel = IsolationLevel.ReadCommitted;
                o.GroupCommits = true;
                o.PrepareStatements = true;
                o.DuplicateDetectionWindow = options.DuplicateDetectionWindow;
                o.MaxDeliveryAttempts = MaxSendAttempts;
                o.MessageTag = OrderSpanTag.OfMessages;
            });
            configure(x);
            x.AddConfigureEndpointsCallback((context, _, endpoint) =>
                ConfigureEndpoint<TDbContext>(endpoint, context, options));
            x.UsingRabbitMq((context, rabbit) => ConfigureBus(rabbit, context, builder.Configuration));
        });
        services.AddTransportReadiness<TDbContext>(sendsTo, publishes)
            .AddHealthChecks().AddCheck<TransportReadiness>("transport", tags: [ApiExtensions.Ready]);
    }

    static void ConfigureBus(
        IRabbitMqBusFactoryConfigurator rabbit, IBusRegistrationContext context, IConfiguration configuration)
    {
        // The first node gives the queues their addresses; BrokerConnection chooses the node to connect to.
        rabbit.Host(BrokerAddress.Parse(configuration.GetConnectionString(BrokerExtensions.RabbitMq)).Nodes[0], host =>
        {
            host.Heartbeat(BrokerSocket.Heartbeat);
            host.OnRefreshConnectionFactory = context.GetRequiredService<BrokerConnection>().PrepareAsync;
        });
        rabbit.ConfigureJsonSerializerOptions(LeanEnvelopes.Configure);
        rabbit.UseSequentialMessageIds();
        rabbit.ConfigureEndpoints(context);
    }

    static string QueueOf(Uri address) => address.AbsolutePath;

    /// <summary>Configures a receive endpoint: the queue type, the concurrency, the retries and the outbox.</summary>
    static void ConfigureEndpoint<TDbContext>(
        IReceiveEndpointConfigurator endpoint, IRegistrationContext context, MessagingOptions options)
        where TDbContext : DbContext
    {
        var rabbit = (IRabbitMqReceiveEndpointConfigurator)endpoint;
        endpoint.PrefetchCount = options.Prefetch;
        context.GetRequiredService<ReceiveTopology>().Add(rabbit, options.Batches);
        ConcurrentDeliveries.Use(rabbit, options.Concurrency, options.Batches,
            context.GetRequiredService<QueuePauses>(), context.GetRequiredService<MessageSenders>());
        endpoint.ConfigureReceive(x => x.UseFilter(context.GetRequiredService<SenderCheck>()));
        if (options.QuorumQueues)
        {
            rabbit.SetQuorumQueue();
            rabbit.SetQueueArgument("x-delivery-limit", MaxDeliveries);
        }

        endpoint.ConfigureDeadLetter(x =>
        {
            x.UseFilter(context.GetRequiredService<SkippedMessageAlarm>());
            x.UseFilter(new DeadLetterTransportFilter());
        });

        // An unavailable database is not the message's fault, so the message waits for it without a limit in practice.
        // Messages that wait occupy the concurrency of their queue, so the pauses are short: a new message is handled
        // soon after the database is back.
        endpoint.UseMessageRetry(r =>
        {
            r.Handle<Exception>(PostgresErrors.IsUnavailable);
            r.Exponential(50_000, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(2),
                TimeSpan.FromMilliseconds(200));
        });
        endpoint.UseMessageRetry(r =>
        {
            r.Handle<Exception>(PostgresErrors.IsConflict);
            r.Intervals(0, 0, 10, 20, 50, 100, 200, 500, 1000, 2000);
        });
        endpoint.UseEntityFrameworkOutbox<TDbContext>(context);
    }
}
