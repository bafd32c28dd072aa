using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Observability;

namespace MassTransit;

/// <summary>Options of the transactional outbox and inbox of one DbContext.</summary>
public interface IEntityFrameworkOutboxConfigurator : ITransactionalOutboxConfigurator
{
    /// <summary>
    /// How long the inbox remembers a consumed message, so that a duplicate has no effect. Older rows are deleted in
    /// the background. Default: one day.
    /// </summary>
    TimeSpan DuplicateDetectionWindow { set; }

    /// <summary>
    /// The isolation level of the transaction that consumes a message. Default: repeatable read, so that a handler that
    /// reads a row and writes it loses no concurrent change; configure retries, because the second writer fails.
    /// </summary>
    IsolationLevel IsolationLevel { set; }

    /// <summary>
    /// For compatibility; it has no effect, because the outbox has its own statements for PostgreSQL.
    /// </summary>
    ILockStatementProvider LockStatementProvider { set; }

    /// <summary>
    /// The pause between two searches for due messages: scheduled ones, and those that a crash has left or that could
    /// not be sent at once. No other message waits for it. Default: one second.
    /// </summary>
    TimeSpan QueryDelay { set; }

    /// <summary>
    /// The maximum number of rows that one statement claims, or deletes from the inbox. Default: 500.
    /// </summary>
    int QueryMessageLimit { set; }

    /// <summary>The command timeout of background statements. Default: 30 seconds.</summary>
    TimeSpan QueryTimeout { set; }

    /// <summary>
    /// How long a replica may be silent before the others take it for ended, and send the messages that it has
    /// committed and not sent. A short time causes duplicates while a replica only pauses, which inboxes drop, and
    /// never a loss. The same in all processes that use the tables, and at least one second. Default: ten seconds.
    /// </summary>
    TimeSpan OwnerTimeout { set; }

    /// <summary>
    /// How often the broker may refuse a message before the message is parked: it stays in the table with its last
    /// error, a critical line is logged, and it is not sent until an operator resets it. An unavailable broker does not
    /// count. Default: 100.
    /// </summary>
    int MaxDeliveryAttempts { set; }

    /// <summary>
    /// Units of work that wait while a commit is in flight share the next commit. Handlers run without a transaction
    /// then, and their tracked changes are saved when they complete. A handler that calls SaveChanges, ExecuteUpdate,
    /// ExecuteDelete or ExecuteSql, or begins a transaction, commits alone, in that transaction. Requires read
    /// committed isolation and no retrying execution strategy; otherwise the option has no effect. The interceptors and
    /// events of the DbContext are inspected once. Default: false.
    /// </summary>
    bool GroupCommits { set; }

    /// <summary>
    /// Prepares the statements of the outbox, of batch steps and of saga loads on each connection, so that they are
    /// parsed once, and those of a group are planned once. A plan that was made for an empty table is kept until the
    /// table's statistics change, so let connections plan by keys alone (<c>enable_seqscan</c>, <c>enable_hashjoin</c>
    /// and <c>enable_mergejoin</c> off), or plan every time (<c>plan_cache_mode=force_custom_plan</c>). Does not work
    /// with a transaction-mode connection pooler such as PgBouncer. Default: false.
    /// </summary>
    bool PrepareStatements { set; }

    /// <summary>The tag that the spans of a message have, for example the id of an order. Default: none.</summary>
    MessageTag MessageTag { set; }

    /// <summary>Does not delete rows from the inbox in this process.</summary>
    void DisableInboxCleanupService();

    /// <summary>
    /// Captures the messages that are sent or published outside consumers (through the scoped
    /// <see cref="ISendEndpointProvider" />, <see cref="IPublishEndpoint" /> and <see cref="IMessageScheduler" />) as
    /// rows of the DbContext. They are sent when the DbContext's next <c>SaveChanges</c> has committed.
    /// </summary>
    /// <param name="configure">Sets the options of these messages, or null for the defaults.</param>
    void UseBusOutbox(Action<IEntityFrameworkBusOutboxConfigurator>? configure = null);
}
