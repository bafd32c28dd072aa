using MassTransit;
using Messaging.Postgres;
using Messaging.RabbitMq;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Service.Defaults;

/// <summary>The bus as both services have it.</summary>
public static class MessagingExtensions
{
    /// <summary>
    /// After which a replicated queue drops a message: never. RabbitMQ 4 drops one that has been given back 20 times, which crashes
    /// and lost connections can do; -1 lifts that limit there, and to RabbitMQ 3 means 0.
    /// </summary>
    const int MaxDeliveries = 1_000_000;

    /// <summary>
    /// Adds the bus on <c>ConnectionStrings:RabbitMq</c> (an amqp address) with the outbox of
    /// <typeparamref name="TDbContext" /> on every endpoint.
    /// </summary>
    /// <param name="builder">The service.</param>
    /// <param name="configure">Adds what consumes.</param>
    /// <param name="sendsTo">Where it sends messages. What that needs is declared before the service is ready, and what <paramref name="publishes" /> needs; unless the broker is away.</param>
    /// <param name="publishes">The types of messages that it publishes.</param>
    public static void AddMessaging<TDbContext>(this WebApplicationBuilder builder, Action<IBusRegistrationConfigurator> configure, Uri[] sendsTo, Type[] publishes)
        where TDbContext : DbContext
    {
        builder.Services.AddOptions<MessagingOptions>().BindConfiguration("Messaging").ValidateDataAnnotations().ValidateOnStart();
        var options = builder.Configuration.GetSection("Messaging").Get<MessagingOptions>() ?? new MessagingOptions();
        builder.Services.AddRabbitTransport<TDbContext>();
        // Told to end, it ends within ten seconds: what is in flight is finished, or left to be delivered again.
        builder.Services.Configure<MassTransitHostOptions>(o => o.StopTimeout = TimeSpan.FromSeconds(3));
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(4));
        builder.Services.AddMassTransit(x =>
        {
            x.DisableUsageTelemetry();
            x.ConfigureHealthCheckOptions(o => o.MinimalFailureStatus = HealthStatus.Degraded); // without a broker it takes orders all the same
            x.SetKebabCaseEndpointNameFormatter();
            x.AddEntityFrameworkOutbox<TDbContext>(o =>
            {
                o.UsePostgres();
                o.UseBusOutbox();
                o.GroupCommits = true;
                o.PrepareStatements = true;
                o.DuplicateDetectionWindow = options.DuplicateDetectionWindow;
                o.MaxDeliveryAttempts = 1500; // about a day: the other service may not have been there yet
            });
            configure(x);
            x.AddConfigureEndpointsCallback((context, _, endpoint) => endpoint.UseDefaults<TDbContext>(context, options));
            x.UsingRabbitMq((context, rabbit) =>
            {
                rabbit.Host(new Uri(builder.Configuration.GetConnectionString("RabbitMq")
                    ?? throw new InvalidOperationException("ConnectionStrings:RabbitMq is not set: an address such as amqp://user:password@host:5672/")),
                    host =>
                    {
                        host.Heartbeat(BrokerSocket.Heartbeat);
                        host.OnRefreshConnectionFactory = context.GetRequiredService<BrokerConnection>().PrepareAsync;
                    });
                rabbit.ConfigureJsonSerializerOptions(json =>
                {
                    json.WriteIndented = false;
                    return json;
                });
                rabbit.UseSequentialMessageIds();
                rabbit.ConfigureEndpoints(context);
            });
        });
        builder.Services.AddTransportReadiness<TDbContext>(sendsTo, publishes)
            .AddHealthChecks().AddCheck<TransportReadiness>("transport", tags: [ApiExtensions.Ready]);
    }

    /// <summary>What every receive endpoint does: kind of queue, flow, retries of what can pass, one commit a message.</summary>
    static void UseDefaults<TDbContext>(this IReceiveEndpointConfigurator endpoint, IRegistrationContext context, MessagingOptions options)
        where TDbContext : DbContext
    {
        var rabbit = (IRabbitMqReceiveEndpointConfigurator)endpoint;
        endpoint.PrefetchCount = options.Prefetch;
        ConcurrentDeliveries.Use(rabbit, options.Concurrency);
        if (options.QuorumQueues)
        {
            rabbit.SetQuorumQueue();
            rabbit.SetQueueArgument("x-delivery-limit", MaxDeliveries);
        }

        // A database that is away is no fault of the message: it waits, however long that takes.
        endpoint.UseMessageRetry(r =>
        {
            r.Handle<Exception>(PostgresErrors.IsUnavailable);
            r.Exponential(10_000, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(200));
        });
        endpoint.UseMessageRetry(r =>
        {
            r.Handle<Exception>(PostgresErrors.IsConflict);
            r.Intervals(0, 0, 10, 20, 50, 100, 200, 500, 1000, 2000);
        });
        endpoint.UseEntityFrameworkOutbox<TDbContext>(context);
    }
}
