using Messaging.Postgres.Observability;
using Microsoft.Extensions.Options;

namespace Operations;

/// <summary>
/// Compares both services page by page under full traffic, round after round. How far it has come is in the database,
/// so that it continues there after a restart. What does not match is compared again before it is reported, and what
/// was reported, until it matches.
/// </summary>
sealed partial class Reconciler(Comparison comparison, ReconciliationStore store,
    IOptions<ReconciliationOptions> options, TimeProvider time, ILogger<Reconciler> log) : BackgroundService
{
    /// <summary>The pause at the end of a round, and after a failure.</summary>
    static readonly TimeSpan LongPause = TimeSpan.FromSeconds(2);

    readonly LogLimit _failures = new(time);
    Guid _lastRechecked;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        RepeatAsync("RecentOrders", comparison.OrdersAsync, stoppingToken),
        RepeatAsync("RecentReservations", comparison.RecentReservationsAsync, stoppingToken),
        RepeatAsync("Orders", comparison.OrdersAsync, stoppingToken),
        RepeatAsync("Reservations", comparison.ReservationsAsync, stoppingToken),
        RepeatAsync("Accounts", comparison.AccountsAsync, stoppingToken),
        RepeatAsync(RecheckReportedAsync, stoppingToken));

    Task RepeatAsync(string subject, Func<string, CancellationToken, Task<ComparedPage>> compare,
        CancellationToken stoppingToken) => RepeatAsync(async cancellationToken =>
        {
            var cursor = await store.FindCursorAsync(subject, cancellationToken);
            var page = await compare(cursor.AfterId, cancellationToken);
            if (page.Mismatches.Count > 0)
                await RecheckAsync(page.Mismatches, cancellationToken);
            await store.AdvanceAsync(cursor, page, cancellationToken);
            return page.Count > 0;
        }, stoppingToken);

    /// <summary>Repeats a step, with the short pause while it returns true.</summary>
    async Task RepeatAsync(Func<CancellationToken, Task<bool>> step, CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var hasMore = false;
            try
            {
                hasMore = await step(stoppingToken);
                if (_failures.HasEnded(out var duration))
                    LogWorks(duration);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                if (_failures.IsDue(e, out var count))
                    LogFailed(Reason.Of(e), count);
            }

            await Task.Delay(hasMore ? options.Value.Pause : LongPause, time, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task RecheckAsync(IReadOnlyList<FoundMismatch> candidates, CancellationToken cancellationToken)
    {
        await Task.Delay(options.Value.RecheckDelay, time, cancellationToken);
        foreach (var mismatch in await ExistingAsync(candidates.Select(x => (x.SubjectId, x.Kind)), cancellationToken))
            if (candidates.Any(x => x.SubjectId == mismatch.SubjectId && x.Kind == mismatch.Kind)
                && await store.AddAsync(mismatch, cancellationToken))
                LogFound(mismatch.Kind.ToString(), mismatch.SubjectId);
    }

    async Task<bool> RecheckReportedAsync(CancellationToken cancellationToken)
    {
        var reported = await store.NextAsync(_lastRechecked, cancellationToken);
        var existing = (await ExistingAsync(reported.Select(x => (x.SubjectId, x.Kind)), cancellationToken))
            .Select(x => (x.SubjectId, x.Kind)).ToHashSet();
        foreach (var row in reported.Where(x => !existing.Contains((x.SubjectId, x.Kind))))
        {
            await store.RemoveAsync(row, cancellationToken);
            LogMended(row.Kind.ToString(), row.SubjectId);
        }

        _lastRechecked = reported.Count == 0 ? Guid.Empty : reported[^1].SubjectId;

        return false;
    }

    /// <summary>Compares the subjects of mismatches again.</summary>
    async Task<IReadOnlyList<FoundMismatch>> ExistingAsync(IEnumerable<(Guid SubjectId, MismatchKind Kind)> subjects,
        CancellationToken cancellationToken)
    {
        var isAccount = subjects.Distinct().ToLookup(x => x.Kind == MismatchKind.LedgerDoesNotReplay,
            x => x.SubjectId);
        var existing = new List<FoundMismatch>();
        if (isAccount[false].Distinct().ToList() is { Count: > 0 } orders)
            existing.AddRange(await comparison.AgainAsync(orders, cancellationToken));
        foreach (var account in isAccount[true])
            if (await comparison.AccountAgainAsync(account, cancellationToken) is { } mismatch)
                existing.Add(mismatch);
        return existing;
    }

    [LoggerMessage(Level = LogLevel.Error, Message =
        "Order and Account do not match: {Kind}, order or ledger {Subject}. Run ops reconcile for the story and the "
        + "mend")]
    partial void LogFound(string kind, Guid subject);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Order and Account match again: {Kind}, order or ledger {Subject}")]
    partial void LogMended(string kind, Guid subject);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Order and Account cannot be compared; it is tried again every two seconds: {Reason}. "
        + "Failures since the last such line: {Count}")]
    partial void LogFailed(string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "Order and Account are compared again, after {Duration}")]
    partial void LogWorks(TimeSpan duration);
}
