using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Observability;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Posts messages of transactions whose commit EF Core does not report: a TransactionScope, a transaction that the
/// caller has given to UseTransaction and commits itself, and any transaction of a DbContext without this library's
/// interceptors. It looks for the rows until they are visible, or until recovery sends them.
/// </summary>
sealed partial class UnreportedCommits<TDbContext>(
    MessageDispatcher<TDbContext> dispatcher,
    OutboxStore<TDbContext> store,
    OutboxOptions<TDbContext> options,
    ILogger<UnreportedCommits<TDbContext>> log)
    where TDbContext : DbContext
{
    static readonly TimeSpan MinPause = TimeSpan.FromMilliseconds(10);
    static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(1);
    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    readonly LogLimit _failures = new();

    /// <summary>Posts saved messages once they are committed; never, if their transaction is rolled back.</summary>
    public void PostWhenCommitted(IReadOnlyCollection<OutboxMessage> saved)
    {
        if (options.Deliver)
            _ = Task.Run(() => WaitAndPost(saved)); // it logs its failure, and leaves the messages in the outbox
    }

    async Task WaitAndPost(IReadOnlyCollection<OutboxMessage> saved)
    {
        try
        {
            var ids = saved.Select(x => x.Id).ToArray();
            for (var (pause, waited) = (MinPause, TimeSpan.Zero); waited < MaxWait; pause *= 1.5)
            {
                pause = pause < MaxPause ? pause : MaxPause;
                await Task.Delay(pause).ConfigureAwait(false);
                waited += pause;
                if (!await store.Exist(ids, CancellationToken.None).ConfigureAwait(false))
                    continue;
                dispatcher.Post(saved);
                return;
            }
        }
        catch (Exception e)
        {
            dispatcher.Release(saved);
            if (_failures.IsDue(e, out var count))
                LogLeftToRecovery(Reason.Unexpected(e), Reason.Of(e), count);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "It could not be found out whether the transaction of some messages was committed. If it was, they are sent "
        + "some seconds later than usual. Check the database: {Reason}. Failures since the last such line: {Count}")]
    partial void LogLeftToRecovery(Exception? error, string reason, int count);
}
