namespace Messaging.Postgres.Commits;

/// <summary>
/// One attempt to commit units of work in one transaction. Duplicates, failed requests and stale units are excluded;
/// the others are committed without them.
/// </summary>
/// <param name="transactions">The transactions.</param>
/// <param name="time">Measures how long handlers run.</param>
/// <param name="queue">The queue of the units.</param>
/// <param name="group">The units.</param>
sealed class GroupCommit(
    IGroupTransactions transactions, TimeProvider time, CommitQueue queue, IReadOnlyList<GroupMember> group)
{
    /// <summary>How long the handlers of a group may run after its decision; its locks are held meanwhile.</summary>
    static readonly TimeSpan MaxHandlerTime = TimeSpan.FromSeconds(10);

    /// <summary>Whether handlers have received their decisions, so that the group cannot be decided again.</summary>
    public bool HasResumedHandlers { get; private set; }

    /// <exception cref="Exception">
    /// The members without an outcome are not committed, or their outcome is unknown.
    /// </exception>
    public Task Run() => group[0].Request == null ? CommitCompleted([.. group])
        : transactions.DecideAndCommit(group, RunHandlers);

    /// <summary>Commits units whose handlers have completed; if one is outdated, starts again without it.</summary>
    async Task CommitCompleted(List<GroupMember> members)
    {
        while (members.Count > 0)
            switch (await transactions.TryCommit(members).ConfigureAwait(false))
            {
                case CommitAttempt.Committed:
                    return;
                case CommitAttempt.HasOutdated when await FailOutdated(members).ConfigureAwait(false):
                    continue;
                default:
                    if (members is [var alone])
                        await transactions.CommitAlone(alone).ConfigureAwait(false);
                    else
                        foreach (var half in members.Chunk((members.Count + 1) / 2))
                            await CommitCompleted([.. half]).ConfigureAwait(false);
                    return;
            }
    }

    /// <summary>Fails and removes the members that are outdated.</summary>
    /// <returns>Whether there was one.</returns>
    async Task<bool> FailOutdated(List<GroupMember> members)
    {
        var outdated = await transactions.FindOutdated(members).ConfigureAwait(false);
        foreach (var (member, reason) in outdated)
        {
            members.Remove(member);
            member.Fail(reason);
        }

        return outdated.Count > 0;
    }

    /// <summary>Resumes the handlers, and waits until they have completed.</summary>
    /// <param name="fresh">The members that have decisions; the others are duplicates.</param>
    /// <returns>The members to commit.</returns>
    async Task<IReadOnlyList<GroupMember>> RunHandlers(IReadOnlyList<GroupMember> fresh)
    {
        HasResumedHandlers = true;
        foreach (var duplicate in group.Except(fresh))
            duplicate.Fail(new DuplicateMessageException());
        var decided = new List<GroupMember>(fresh.Count);
        foreach (var member in fresh)
            if (member.Request!.Error is { } error)
                member.Fail(error);
            else
                decided.Add(member);
        decided.ForEach(x => x.Request!.Resume(inline: decided.Count == 1));

        try
        {
            var completed = await Task.WhenAll(decided.Select(x => x.Request!.Handler))
                .WaitAsync(MaxHandlerTime, time).ConfigureAwait(false);
            if (completed.Contains(false))
                throw new GroupBrokenException("A handler of the group has failed after the group's decision");
        }
        catch (TimeoutException)
        {
            var reason = $"A handler ran longer than {MaxHandlerTime} after its batch step, and kept its group's locks";
            throw FailsForGood() ? new InvalidOperationException(reason) : new GroupBrokenException(reason);
        }

        return decided;
    }

    /// <summary>
    /// Whether a slow handler is not retried. A process may have been paused, so a message has a second attempt alone.
    /// Other units cannot be recognized when they are tried again.
    /// </summary>
    bool FailsForGood() => group is [var alone]
        && (alone.Message is not [var message] || (queue.IsQuarantined && !queue.Slow.Add(message)));
}
