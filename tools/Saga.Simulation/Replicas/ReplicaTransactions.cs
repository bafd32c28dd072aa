using Accounts;
using Messaging.Postgres.Commits;

namespace Saga.Simulation;

/// <summary>A replica's transactions on the simulated database, for the production code that forms groups.</summary>
sealed class ReplicaTransactions(Replica replica, World world, SimDatabase database) : IGroupTransactions
{
    static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(3);

    public async Task<CommitAttempt> TryCommit(IReadOnlyList<GroupMember> members)
    {
        var group = Transactions(members);
        CommitAttempt attempt;
        try
        {
            attempt = await Commit(members, new object(), () =>
            {
                if (group.Exists(database.IsOutdated))
                    return CommitAttempt.HasOutdated;
                database.Commit(group);
                return CommitAttempt.Committed;
            });
        }
        catch (ConnectionLostException) when (world.Mutant == Mutant.LostGroupsTrusted)
        {
            attempt = CommitAttempt.Committed;
        }
        catch (Exception e) when (members.Count == 1 && Classify(e) == GroupFailure.OfOneUnit)
        {
            return CommitAttempt.Failed;
        }

        if (attempt == CommitAttempt.Committed)
            Succeed(members);
        return attempt;
    }

    public Task<IReadOnlyList<(GroupMember Member, Exception Reason)>> FindOutdated(
        IReadOnlyList<GroupMember> members) =>
        replica.Query<IReadOnlyList<(GroupMember, Exception)>>("find outdated units", () =>
            [.. members.Where(x => database.IsOutdated(Transaction(x))).Select(x => (x, Reason(x)))]);

    Exception Reason(GroupMember outdated) => database.IsDuplicate(Transaction(outdated))
        ? new DuplicateMessageException() : new ConflictException("the row has changed since it was loaded");

    public async Task CommitAlone(GroupMember member)
    {
        await Commit([member], new object(), () => Replica.Done(() => database.Commit([Transaction(member)])));
        member.Succeed();
    }

    public async Task DecideAndCommit(IReadOnlyList<GroupMember> members,
        Func<IReadOnlyList<GroupMember>, Task<IReadOnlyList<GroupMember>>> runHandlers)
    {
        var accounts = (AccountDatabase)database;
        var holder = new object();
        try
        {
            var (fresh, funds) = await LockAndLoad(accounts, members, holder);
            var decisions = funds.Decide(fresh.ConvertAll(CommandOf));
            for (var i = 0; i < fresh.Count; i++)
                ((SimFundsRequest)fresh[i].Request!).Result = decisions[i];
            if (world.Mutant == Mutant.LocksEndBeforeCommit)
                database.Release(holder);

            var decided = await runHandlers(fresh);
            var step = new SimTransaction();
            accounts.Save(step, funds);
            await Commit(decided, holder, () => Replica.Done(() => database.Commit([step, .. Transactions(decided)])));
            Succeed(decided);
        }
        catch (ConnectionLostException) when (world.Random.Next(2) == 0)
        {
            var server = database.Keep([], holder);
            _ = world.Scheduler.Add(null, "roll back late", () => Replica.Done(() => database.Release(server)));
            throw;
        }
        finally
        {
            database.Release(holder); // a rollback releases the row locks
        }
    }

    Task<(List<GroupMember> Fresh, FundsGroup Funds)> LockAndLoad(
        AccountDatabase accounts, IReadOnlyList<GroupMember> members, object holder) =>
        RunLocked($"lock and load for {Names(members)}", members, holder, () =>
        {
            foreach (var row in members.SelectMany(RowsOf))
                accounts.Lock(row, replica.Process, holder);
            var fresh = members.Where(x => !accounts.IsDuplicate(Transaction(x))).ToList();
            return (fresh, accounts.Load(fresh.ConvertAll(CommandOf)));
        });

    /// <summary>
    /// Runs a step when the rows of all members can be locked. While there are faults, it fails when that takes longer
    /// than a lock is waited for.
    /// </summary>
    Task<T> RunLocked<T>(string name, IReadOnlyList<GroupMember> members, object holder, Func<T> run)
    {
        var started = world.Now;
        bool CanLock(GroupMember member) => RowsOf(member).All(x => database.CanLock(x, holder));

        return replica.Query(name, () =>
        {
            if (members.All(CanLock))
                return run();
            // A unit waits for the rows of others once at most: after that, it is tried without them.
            foreach (var member in members.Where(CanLock).Cast<SimMember>())
                if (member.LockTimeoutsOfOthers++ > 0)
                    world.Invariants.Violated($"{member.Transaction.Consumed} waits again for a row that others need");
            throw new LockTimeoutException();
        }, () => members.All(CanLock) || (world.HasFaults && world.Now >= started + LockTimeout));
    }

    /// <summary>The rows that a unit locks: its inbox row, and the order or the account.</summary>
    static IEnumerable<Guid> RowsOf(GroupMember member) =>
        member.Request is SimFundsRequest { Command.AccountId: var account }
            ? [.. Transaction(member).Locked, account] : Transaction(member).Locked;

    public GroupFailure Classify(Exception error) => error switch
    {
        ConnectionLostException => GroupFailure.Unavailable,
        LockTimeoutException => GroupFailure.LockTimeout,
        _ => GroupFailure.OfOneUnit,
    };

    /// <summary>
    /// Commits as a step. When the connection is lost before, the server may also commit later; it keeps the locks
    /// until then.
    /// </summary>
    async Task<T> Commit<T>(IReadOnlyList<GroupMember> members, object holder, Func<T> commit)
    {
        var hasRun = false;
        try
        {
            return await RunLocked($"commit {Names(members)}", members, holder, () =>
            {
                hasRun = true;
                return commit();
            });
        }
        catch (ConnectionLostException) when (!hasRun && world.Random.Next(2) == 0)
        {
            var server = database.Keep(members.SelectMany(RowsOf), holder);
            _ = world.Scheduler.Add(null, $"commit {Names(members)}, late",
                () => Replica.Done(() => CommitLate(commit, server)));
            throw;
        }
    }

    void CommitLate<T>(Func<T> commit, object server)
    {
        try
        {
            commit();
        }
        catch (ConflictException)
        {
            // The repeated attempt was first.
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            world.Invariants.Violated($"a late commit has failed: {e.Message}");
        }
        finally
        {
            database.Release(server);
        }
    }

    static void Succeed(IReadOnlyList<GroupMember> members)
    {
        foreach (var member in members)
            member.Succeed();
    }

    string Names(IReadOnlyList<GroupMember> members) =>
        world.IsTraced ? string.Join(" + ", members.Select(x => Transaction(x).Name)) : "";

    static SimTransaction Transaction(GroupMember member) => ((SimMember)member).Transaction;
    static List<SimTransaction> Transactions(IReadOnlyList<GroupMember> members) => [.. members.Select(Transaction)];
    static FundsCommand CommandOf(GroupMember member) => ((SimFundsRequest)member.Request!).Command;
}
