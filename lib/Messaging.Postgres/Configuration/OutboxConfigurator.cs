using System.Data;
using MassTransit;
using MassTransit.DependencyInjection;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using MassTransit.Scheduling;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Database;
using Messaging.Postgres.Inbox;
using Messaging.Postgres.Observability;
using Messaging.Postgres.Outbox;
using Messaging.Postgres.Scheduling;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace Messaging.Postgres.Configuration;

sealed class OutboxConfigurator<TDbContext>(IBusRegistrationConfigurator bus)
    : IEntityFrameworkOutboxConfigurator, IEntityFrameworkBusOutboxConfigurator
    where TDbContext : DbContext
{
    readonly OutboxOptions<TDbContext> _options = new();
    bool _useBusOutbox;

    public TimeSpan DuplicateDetectionWindow { set => _options.DuplicateDetectionWindow = value; }
    public IsolationLevel IsolationLevel { set => _options.IsolationLevel = value; }
    public ILockStatementProvider LockStatementProvider { set => ArgumentNullException.ThrowIfNull(value); }
    public bool GroupCommits { set => _options.GroupCommits = value; }
    public bool PrepareStatements { set => _options.PrepareStatements = value; }
    public TimeSpan QueryDelay { set => _options.QueryDelay = value; }
    public int QueryMessageLimit { set => _options.QueryMessageLimit = value; }
    public TimeSpan QueryTimeout { set => _options.QueryTimeout = value; }
    public int MaxDeliveryAttempts { set => _options.MaxDeliveryAttempts = value; }
    public int MessageDeliveryLimit { set => _options.MessageDeliveryLimit = value; }

    public TimeSpan OwnerTimeout
    {
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, TimeSpan.FromSeconds(1));
            _options.OwnerTimeout = value;
        }
    }

    public TimeSpan MessageDeliveryTimeout
    {
        get => _options.MessageDeliveryTimeout;
        set => _options.MessageDeliveryTimeout = value;
    }

    public MessageTag MessageTag { set => _options.MessageTag = value; }

    public void DisableInboxCleanupService() => _options.CleanInbox = false;

    public void DisableDeliveryService() => _options.Deliver = false;

    public void UseBusOutbox(Action<IEntityFrameworkBusOutboxConfigurator>? configure = null)
    {
        configure?.Invoke(this);
        _useBusOutbox = true;
    }

    public void Register()
    {
        bus.TryAddSingleton(FaultInjection.Clock);
        bus.TryAddSingleton(_options);
        bus.TryAddSingleton<DatabaseClock<TDbContext>>();
        bus.TryAddSingleton<OutboxStore<TDbContext>>();
        bus.TryAddSingleton<IOutboxRows<TDbContext>>(x => x.GetRequiredService<OutboxStore<TDbContext>>());
        bus.TryAddSingleton<IOutboxTransport<TDbContext>, BusTransport<TDbContext>>();
        bus.TryAddSingleton<BulkWriter<TDbContext>>();
        bus.TryAddSingleton<IdleConnections>();
        bus.TryAddSingleton<RecentContexts<TDbContext>>();
        bus.TryAddSingleton<GroupTransactions<TDbContext>>();
        bus.TryAddSingleton<Committer<TDbContext>>();
        bus.TryAddSingleton<OutboxOwner<TDbContext>>();
        bus.TryAddSingleton<MessageDispatcher<TDbContext>>();
        bus.TryAddSingleton<MessageFailures<TDbContext>>();
        bus.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, OutboxCleanup<TDbContext>>());
        bus.TryAddSingleton<OutboxNotification>();
        bus.TryAddSingleton<IBusOutboxNotification>(x => x.GetRequiredService<OutboxNotification>());
        bus.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, OutboxRecovery<TDbContext>>());
        bus.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, InboxCleanup<TDbContext>>());
        bus.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, OutboxGauges<TDbContext>>());
        bus.TryAddSingleton<WarmUp<TDbContext>>();
        bus.TryAddScoped<UnitOfWork<TDbContext>>();
        bus.TryAddScoped<IUnitOfWork<TDbContext>>(provider => provider.GetRequiredService<UnitOfWork<TDbContext>>());
        bus.TryAddScoped<IOutboxContextFactory<TDbContext>, OutboxContextFactory<TDbContext>>();

        bus.TryAddSingleton<HandlerTransactionInterceptor>();
        bus.TryAddSingleton(x => new Lazy<MessageDispatcher<TDbContext>>(
            x.GetRequiredService<MessageDispatcher<TDbContext>>));
        bus.TryAddSingleton<UnreportedCommits<TDbContext>>();
        bus.TryAddSingleton(x => new Lazy<UnreportedCommits<TDbContext>>(
            x.GetRequiredService<UnreportedCommits<TDbContext>>));
        if (bus.All(x => x.ServiceType != typeof(OutboxSaveChangesInterceptor<TDbContext>)))
            AddInterceptors();
        if (_useBusOutbox)
            AddBusOutbox();
    }

    /// <summary>Once for a DbContext, also if several buses use it.</summary>
    void AddInterceptors()
    {
        bus.AddSingleton<OutboxSaveChangesInterceptor<TDbContext>>();
        bus.ConfigureDbContext<TDbContext>((provider, options) => options.AddInterceptors(
            provider.GetRequiredService<OutboxSaveChangesInterceptor<TDbContext>>(),
            provider.GetRequiredService<HandlerTransactionInterceptor>(),
            provider.GetRequiredService<IdleConnections>(),
            SqlQueries.Instance));
        if (_options.PrepareStatements)
        {
            var prepared = new PreparedQueries();
            bus.ConfigureDbContext<TDbContext>((_, options) => options.AddInterceptors(prepared));
        }
    }

    void AddBusOutbox()
    {

        var busType = Array.Find(bus.GetType().GetInterfaces(), x => x.IsGenericType
            && x.GetGenericTypeDefinition() == typeof(IBusRegistrationConfigurator<>))?.GetGenericArguments()[0]
            ?? typeof(IBus);
        bus.Replace(ServiceDescriptor.Scoped(
            typeof(IScopedBusContextProvider<>).MakeGenericType(busType),
            typeof(OutboxScopedBusContextProvider<,>).MakeGenericType(busType, typeof(TDbContext))));
        if (busType != typeof(IBus))
            return; // the scheduler of a scope belongs to the default bus

        // Replaces any other scheduler, so that schedules commit with the outbox.
        bus.RemoveAll<IMessageScheduler>();
        bus.AddScoped<IMessageScheduler>(provider => new MessageScheduler(
            ActivatorUtilities.CreateInstance<BusScheduleMessageProvider<TDbContext>>(provider),
            provider.GetRequiredService<IBus>().Topology));
    }
}
