using Google.Protobuf.WellKnownTypes;
using Microsoft.EntityFrameworkCore;
using Operations.V1;
using Service.Defaults;

namespace Operations;

/// <summary>Keeps how far reconciliation has come, and what it has found.</summary>
sealed class ReconciliationStore(IServiceScopeFactory scopes, TimeProvider time)
{
    /// <summary>How many mismatches a caller gets at most; the oldest first.</summary>
    const int MaxReported = 1000;

    /// <summary>How many mismatches are compared again at once.</summary>
    const int MaxPage = 1000;

    const int DefaultMismatches = 100;

    /// <summary>The beginning of the names of cursors that follow what is new, and never begin again.</summary>
    const string RecentPrefix = "Recent";

    /// <summary>How far back what is new begins, when reconciliation runs for the first time.</summary>
    static readonly TimeSpan FirstAge = TimeSpan.FromHours(1);

    /// <summary>Reads a cursor; a new one at its beginning.</summary>
    public Task<ReconciliationCursor> FindCursorAsync(string subject, CancellationToken cancellationToken) =>
        WithContextAsync(async db => await db.Cursors.AsNoTracking()
            .SingleOrDefaultAsync(x => x.Subject == subject, cancellationToken)
            ?? new ReconciliationCursor
            {
                Subject = subject,
                AfterId = IsRecent(subject) ? $"{OrderId.First(time.UtcNow() - FirstAge)}" : "",
            });

    static bool IsRecent(string subject) => subject.StartsWith(RecentPrefix, StringComparison.Ordinal);

    /// <summary>
    /// Moves a cursor behind a page. An empty page ends the round: the next one begins at the first id, or continues
    /// with what is new.
    /// </summary>
    public Task AdvanceAsync(ReconciliationCursor cursor, ComparedPage page, CancellationToken cancellationToken)
    {
        var now = time.UtcNow();
        var isNew = cursor.CheckTime == null;
        cursor.CheckTime = now;
        if (page.Count > 0 || !IsRecent(cursor.Subject))
            cursor.AfterId = page.LastId;
        cursor.CheckedInRound += page.Count;
        cursor.Checked += page.Count;
        if (page.Count == 0)
        {
            cursor.Rounds += cursor.CheckedInRound > 0 ? 1 : 0;
            (cursor.CheckedInRound, cursor.RoundTime) = (0, now);
        }

        return WithContextAsync(db =>
        {
            db.Entry(cursor).State = isNew ? EntityState.Added : EntityState.Modified;
            return db.SaveChangesAsync(cancellationToken);
        });
    }

    /// <summary>Adds a mismatch; returns false if it is known.</summary>
    public Task<bool> AddAsync(FoundMismatch mismatch, CancellationToken cancellationToken) =>
        WithContextAsync(async db =>
        {
            if (await db.Mismatches.AnyAsync(x => x.SubjectId == mismatch.SubjectId && x.Kind == mismatch.Kind,
                cancellationToken))
                return false;
            db.Mismatches.Add(new MismatchRow
            {
                SubjectId = mismatch.SubjectId,
                Kind = mismatch.Kind,
                FindTime = time.UtcNow(),
                Description = mismatch.Description,
            });
            await db.SaveChangesAsync(cancellationToken);
            return true;
        });

    /// <summary>Removes a mismatch that does not exist any more.</summary>
    public Task RemoveAsync(MismatchRow row, CancellationToken cancellationToken) => WithContextAsync(db =>
        db.Mismatches.Where(x => x.SubjectId == row.SubjectId && x.Kind == row.Kind)
            .ExecuteDeleteAsync(cancellationToken));

    /// <summary>The next mismatches by subject, with all of each subject; the first ones after the last.</summary>
    /// <param name="after">The last subject of the page before.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async Task<List<MismatchRow>> NextAsync(Guid after, CancellationToken cancellationToken)
    {
        var page = await WithContextAsync(db => db.Mismatches.AsNoTracking().Where(x => x.SubjectId > after)
            .OrderBy(x => x.SubjectId).Take(MaxPage).ToListAsync(cancellationToken));
        if (page.Count == 0 && after != Guid.Empty)
            return await NextAsync(Guid.Empty, cancellationToken);
        if (page.Count == MaxPage)
            page.RemoveAll(x => x.SubjectId == page[^1].SubjectId);
        return page;
    }

    /// <summary>The mismatches, the oldest first.</summary>
    Task<List<MismatchRow>> ListAsync(int max, CancellationToken cancellationToken) => WithContextAsync(db =>
        db.Mismatches.AsNoTracking().OrderBy(x => x.FindTime).Take(max).ToListAsync(cancellationToken));

    /// <summary>The number of mismatches of each kind.</summary>
    public Task<Dictionary<MismatchKind, int>> CountAsync(CancellationToken cancellationToken) =>
        WithContextAsync(async db => await db.Mismatches.GroupBy(x => x.Kind)
            .Select(x => new { x.Key, Count = x.Count() }).ToDictionaryAsync(x => x.Key, x => x.Count,
            cancellationToken));

    /// <summary>The method GetReconciliation.</summary>
    public async Task<Reconciliation> ReadAsync(GetReconciliationRequest request, CancellationToken cancellationToken)
    {
        var max = request.MaxMismatches <= 0 ? DefaultMismatches : Math.Min(request.MaxMismatches, MaxReported);
        var cursors = await WithContextAsync(db => db.Cursors.AsNoTracking().OrderBy(x => x.Subject)
            .ToListAsync(cancellationToken));
        var mismatches = await ListAsync(max, cancellationToken);
        return new Reconciliation
        {
            Progress = { cursors.Select(ToProto) },
            Mismatches = { mismatches.Select(ToProto) },
        };
    }

    static ReconciliationProgress ToProto(ReconciliationCursor cursor) => new()
    {
        Subject = cursor.Subject,
        CheckedInRound = cursor.CheckedInRound,
        Checked = cursor.Checked,
        Rounds = cursor.Rounds,
        RoundTime = cursor.RoundTime?.ToTimestamp(),
        CheckTime = cursor.CheckTime?.ToTimestamp(),
    };

    static Mismatch ToProto(MismatchRow row) => new()
    {
        SubjectId = row.SubjectId.ToString(),
        Kind = row.Kind.ToString(),
        FindTime = row.FindTime.ToTimestamp(),
        Description = row.Description,
        Mend = Mends.Of(row.Kind),
    };

    async Task<T> WithContextAsync<T>(Func<OperationsDbContext, Task<T>> work)
    {
        await using var scope = scopes.CreateAsyncScope();
        return await work(scope.ServiceProvider.GetRequiredService<OperationsDbContext>());
    }
}
