using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;

namespace MassTransit;

/// <summary>Options of the transactional outbox and inbox of one DbContext.</summary>
public interface IEntityFrameworkOutboxConfigurator : ITransactionalOutboxConfigurator
{
    /// <summary>
    /// How long the inbox remembers a consumed message, so that a repeat has no effect. Default: one day.
    /// Older rows are deleted in the background.
    /// </summary>
    TimeSpan DuplicateDetectionWindow { set; }

    /// <summary>Isolation of the transaction that a message is consumed in. Default: read committed.</summary>
    IsolationLevel IsolationLevel { set; }

    /// <summary>Accepted for compatibility: PostgreSQL's row locks are the only ones there are.</summary>
    ILockStatementProvider LockStatementProvider { set; }

    /// <summary>
    /// The pause between two looks for messages that are due: scheduled ones, and those that a crash left behind.
    /// No healthy message waits for it. Default: one second.
    /// </summary>
    TimeSpan QueryDelay { set; }

    /// <summary>How many rows one statement claims, or deletes from the inbox, at most. Default: 500.</summary>
    int QueryMessageLimit { set; }

    /// <summary>Command timeout of the background statements. Default: 30 seconds.</summary>
    TimeSpan QueryTimeout { set; }

    /// <summary>
    /// How long a committed message belongs to the process that committed it before any replica may send it
    /// in its place. Default: five seconds. Too short costs repeats (which inboxes drop), never a loss.
    /// </summary>
    TimeSpan DeliveryLease { set; }

    /// <summary>
    /// How often a message may be refused, for a reason of its own, before it is parked: kept in the table with its
    /// last error, logged as critical, and not tried again. Default: 100. A broker that is away does not count.
    /// </summary>
    int MaxDeliveryAttempts { set; }

    /// <summary>
    /// Units of work that wait while a commit is in flight share the next one. Handlers then run outside a transaction, and
    /// their tracked changes are saved at their end; one that calls SaveChanges, ExecuteUpdate, ExecuteDelete or ExecuteSql, or
    /// begins a transaction itself, commits alone, in a transaction of its own from there. Only with read committed isolation,
    /// and without an execution strategy that repeats; else as if it were false. What interceptors and events the DbContext has is looked at
    /// once, on the first. Default: false.
    /// </summary>
    bool GroupCommits { set; }

    /// <summary>
    /// The outbox's statements, those of steps and the loads of sagas are prepared on each connection: parsed once, and mostly planned
    /// once. A plan that was made while a table was empty then stays until the table's statistics change: have connections plan for
    /// keys alone (<c>enable_seqscan</c>, <c>enable_hashjoin</c> and <c>enable_mergejoin</c> off), or every time
    /// (<c>plan_cache_mode=force_custom_plan</c>). Not through a pooler that gives each transaction another connection. Default: false.
    /// </summary>
    bool PrepareStatements { set; }

    /// <summary>Leaves the inbox as it is: no row is ever forgotten by this process.</summary>
    void DisableInboxCleanupService();

    /// <summary>
    /// Captures what is sent or published outside a consumer (through the scoped <see cref="ISendEndpointProvider" />,
    /// <see cref="IPublishEndpoint" /> and <see cref="IMessageScheduler" />) as rows of the DbContext's next
    /// <c>SaveChanges</c>; once that has committed, they are sent.
    /// </summary>
    /// <param name="configure">Options of the relay, or null for the defaults.</param>
    void UseBusOutbox(Action<IEntityFrameworkBusOutboxConfigurator>? configure = null);
}

/// <summary>Options of the relay that sends committed messages.</summary>
public interface IEntityFrameworkBusOutboxConfigurator : IBusOutboxConfigurator
{
    /// <summary>How many messages the relay sends at once. Default: 100.</summary>
    int MessageDeliveryLimit { set; }

    /// <summary>How long one send may take before the message is left to a later try. Default: ten seconds.</summary>
    TimeSpan MessageDeliveryTimeout { get; set; }
}
