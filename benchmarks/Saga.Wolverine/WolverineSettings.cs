using JasperFx.CodeGeneration;
using Npgsql;
using Wolverine;
using Wolverine.EntityFrameworkCore;
using Wolverine.Postgresql;
using Wolverine.RabbitMQ;
using Wolverine.Transports;

namespace Saga.Wolverine;

/// <summary>Configures Wolverine for durable messages at a high rate. README.md says why.</summary>
static class WolverineSettings
{
    /// <summary>The database schema of the inbox and the outbox.</summary>
    public const string Schema = "wolverine";

    const int Concurrency = 32;
    const ushort Prefetch = 400;
    static readonly BufferingLimits Buffering = new(Maximum: 20_000, Restart: 10_000);

    // Prepared statements keep their plans. A plan from the time when the tables were empty must use the indexes too.
    const string IndexPlans = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off";

    /// <summary>Creates a pool of connections that prepare repeated statements.</summary>
    public static NpgsqlDataSource Connect(string connectionString) =>
        NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString)
        {
            MaxAutoPrepare = 50,
            AutoPrepareMinUsages = 2,
            NoResetOnClose = true,
            Options = IndexPlans,
        });

    public static void Configure(WolverineOptions options, NpgsqlDataSource database, Uri broker)
    {
        options.CodeGeneration.TypeLoadMode = TypeLoadMode.Static;
        options.Discovery.DisableConventionalDiscovery();
        options.Durability.Mode = DurabilityMode.Solo;
        options.Durability.DurabilityMetricsEnabled = false;

        options.PersistMessagesWithPostgresql(database, Schema);
        options.UseEntityFrameworkCoreTransactions();
        options.Policies.AutoApplyTransactions();
        options.Policies.UseDurableOutboxOnAllSendingEndpoints();
        options.Policies.UseDurableInboxOnAllListeners();
        options.Policies.MessageSuccessLogLevel(LogLevel.Debug);

        options.UseRabbitMq(broker).AutoProvision().DisableSystemRequestReplyQueueDeclaration()
            .ConfigureListeners(x => x.UseDurableInbox(Buffering).MaximumParallelMessages(Concurrency)
                .PreFetchCount(Prefetch))
            .ConfigureChannelCreation(x =>
                (x.PublisherConfirmationsEnabled, x.PublisherConfirmationTrackingEnabled) = (true, true));
    }
}
