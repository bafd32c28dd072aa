using Messaging.Postgres;
using Messaging.Postgres.Commits;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Saga.Tests.Messaging.Commits;

/// <summary>What only time decides about groups; the simulation shows the rest.</summary>
[TestFixture, Category("Unit"), CancelAfter(60_000)]
public sealed class When_a_handler_is_too_slow_for_its_group
{
    [Test]
    public async Task Should_fail_for_good_only_when_it_is_too_slow_twice_alone()
    {
        var time = new FakeTimeProvider();
        var groups = new GroupCommitter(
            new NoTransactions(), TaskStarter.RunOnPool, time, 8, null, NullLogger.Instance);
        var failures = new List<Exception>();
        for (var attempt = 0; attempt < 3; attempt++)
        {
            var request = new StepRequest<int>(this, "row", TaskStarter.RunOnPool);
            var member = new Member(request);
            groups.Enqueue(member);
            await request.Decision;
            while (!member.Committed.IsCompleted)
            {
                time.Advance(TimeSpan.FromSeconds(1));
                await Task.Delay(1);
            }

            failures.Add((await Assert.CatchAsync(() => member.Committed))!);
        }

        Assert.That(failures[..2], Has.All.InstanceOf<GroupBrokenException>());
        Assert.That(failures[2], Is.TypeOf<InvalidOperationException>());
    }

    sealed class Member(StepRequest request) : GroupMember(request)
    {
        public override IReadOnlyList<object> Message => ["message"];
        public override IReadOnlyList<object> Keys => Message;
    }

    sealed class NoTransactions : IGroupTransactions
    {
        public Task<CommitAttempt> TryCommit(IReadOnlyList<GroupMember> members) => throw new NotSupportedException();

        public Task<IReadOnlyList<(GroupMember Member, Exception Reason)>> FindOutdated(
            IReadOnlyList<GroupMember> members) => throw new NotSupportedException();

        public Task CommitAlone(GroupMember member) => throw new NotSupportedException();

        public async Task DecideAndCommit(IReadOnlyList<GroupMember> members,
            Func<IReadOnlyList<GroupMember>, Task<IReadOnlyList<GroupMember>>> runHandlers)
        {
            foreach (var member in await runHandlers(members))
                member.Succeed();
        }

        public GroupFailure Classify(Exception error) => GroupFailure.OfOneUnit;
    }
}
