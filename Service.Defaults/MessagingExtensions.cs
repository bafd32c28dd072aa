using MassTransit;
using Messaging.Postgres;
using Messaging.Postgres.Outbox;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>The bus as both services have it.</summary>
public static partial class MessagingExtensions
{
    /// <summary>How often everything is rehearsed: the container compiles how it makes a service when it has made it twice.</summary>
    internal const int Rehearsals = 3;

    /// <summary>How long that may take.</summary>
    internal static readonly TimeSpan LongestRehearsal = TimeSpan.FromSeconds(5);

    /// <summary>
    /// After which a replicated queue drops a message: never. RabbitMQ 4 drops one that has been given back 20 times, which crashes
    /// and lost connections can do; -1 lifts that limit there, and to RabbitMQ 3 means 0.
    /// </summary>
    const int MostDeliveries = 1_000_000;

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
        builder.Services.AddReceiveObserver<FaultAlarm>();
        builder.Services.AddSingleton<BrokerConnection>();
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
        builder.Services.AddSingleton(x => new PreparedBus(
                token => x.GetRequiredService<RabbitTransport<TDbContext>>().Prepare(sendsTo, publishes, token),
                () => x.GetRequiredService<IBusControl>().CheckHealth().Status != BusHealthStatus.Unhealthy,
                () => x.GetRequiredService<BrokerConnection>().IsAway))
            .AddHostedService(x => x.GetRequiredService<PreparedBus>())
            .AddHealthChecks().AddCheck<PreparedBus>("prepared-bus", tags: [ApiExtensions.Ready]);
    }

    /// <summary>Has the outbox send by <see cref="RabbitTransport{TDbContext}" />; before the outbox is added.</summary>
    internal static void AddRabbitTransport<TDbContext>(this IServiceCollection services) where TDbContext : DbContext =>
        services.AddSingleton<BusTransport<TDbContext>>().AddSingleton<RabbitTransport<TDbContext>>()
            .AddSingleton<IOutboxTransport<TDbContext>>(x => x.GetRequiredService<RabbitTransport<TDbContext>>());

    /// <summary>
    /// Rehearses what the service does, so that its first orders do not wait for what is done once. Where that fails or takes too long
    /// the service goes on all the same, slower at first, and says so.
    /// </summary>
    public static async Task RehearseAsync<TDbContext>(this WebApplication app, Func<Rehearsal<TDbContext>, CancellationToken, Task> play)
        where TDbContext : DbContext
    {
        var stopping = app.Lifetime.ApplicationStopping;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        limit.CancelAfter(LongestRehearsal);
        try
        {
            for (var i = 0; i < Rehearsals; i++)
                await play(app.Services.GetRequiredService<Rehearsal<TDbContext>>(), limit.Token).WaitAsync(limit.Token);
        }
        catch (Exception) when (stopping.IsCancellationRequested)
        {
            // It will have no first orders.
        }
        catch (Exception e)
        {
            LogNotRehearsed(app.Logger, e);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The service could not be rehearsed: its first orders will be slow")]
    static partial void LogNotRehearsed(ILogger log, Exception error);

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
            rabbit.SetQueueArgument("x-delivery-limit", MostDeliveries);
        }

        // A database that is away is no fault of the message: it waits, however long that takes.
        endpoint.UseMessageRetry(r =>
        {
            r.Handle<Exception>(TransientErrors.IsUnavailable);
            r.Exponential(10_000, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(200));
        });
        endpoint.UseMessageRetry(r =>
        {
            r.Handle<Exception>(TransientErrors.IsConflict);
            r.Intervals(0, 0, 10, 20, 50, 100, 200, 500, 1000, 2000);
        });
        endpoint.UseEntityFrameworkOutbox<TDbContext>(context);
    }

    /// <summary>
    /// Makes the message fail to send, and so stay in the outbox, as long as no queue would get it: a command to a
    /// service that has never run must not vanish in the broker.
    /// </summary>
    public static void RequireQueue(this SendContext context)
    {
        if (context is PublishContext publish)
            publish.Mandatory = true;
    }
}
