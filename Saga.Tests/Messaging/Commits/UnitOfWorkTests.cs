using Messaging.Postgres;
using Messaging.Postgres.Commits;
using Microsoft.Extensions.DependencyInjection;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;
using static Messaging.Postgres.Commits.UnitOfWorkState;

namespace Saga.Tests.Messaging;

/// <summary>The transitions of <see cref="UnitOfWorkState" />: from every state to every state.</summary>
[TestFixture, Category("Unit")]
public sealed class When_a_unit_of_work_changes_state
{
    static readonly Dictionary<UnitOfWorkState, UnitOfWorkState[]> Allowed = new()
    {
        [Open] = [Open, Deciding, Committing],
        [Deciding] = [Open, Decided, Committing],
        [Decided] = [Open, Committing],
        [Committing] = [Open, Committed],
        [Committed] = [Open],
    };

    static readonly Dictionary<UnitOfWorkState, UnitOfWorkState[]> PathTo = new()
    {
        [Open] = [],
        [Deciding] = [Deciding],
        [Decided] = [Deciding, Decided],
        [Committing] = [Deciding, Decided, Committing],
        [Committed] = [Deciding, Decided, Committing, Committed],
    };

    static IEnumerable<TestCaseData> Transitions() =>
        from state in Enum.GetValues<UnitOfWorkState>()
        from next in Enum.GetValues<UnitOfWorkState>()
        let allowed = Allowed[state].Contains(next)
        select new TestCaseData($"{state}", $"{next}", allowed)
            .SetName($"{state} to {next}: {(allowed ? "allowed" : "rejected")}");

    [TestCaseSource(nameof(Transitions))]
    public void Should_follow_the_documented_transitions(string state, string next, bool allowed)
    {
        using var unit = NewUnit(Enum.Parse<UnitOfWorkState>(state));
        Assert.That(() => unit.Enter(Enum.Parse<UnitOfWorkState>(next)),
            allowed ? Throws.Nothing : Throws.InvalidOperationException);
    }

    [TestCase("Deciding")]
    [TestCase("Decided")]
    [TestCase("Committing")]
    [TestCase("Committed")]
    public void Should_explain_that_a_unit_runs_one_batch_step(string state)
    {
        using var unit = NewUnit(Enum.Parse<UnitOfWorkState>(state));
        Assert.That(() => unit.Enter(Deciding),
            Throws.InvalidOperationException.With.Message.Contains("runs one batch step"));
    }

    [Test]
    public void Should_keep_its_state_after_a_rejected_transition()
    {
        using var unit = NewUnit(Decided);
        Assert.That(() => unit.Enter(Committed), Throws.InvalidOperationException);
        Assert.That(() => unit.Enter(Committing), Throws.Nothing);
    }

    static UnitOfWork<TestDbContext> NewUnit(UnitOfWorkState state)
    {
        var unit = new UnitOfWork<TestDbContext>(null!, null!, null!, null!, null!, null!); // Enter uses none of them
        foreach (var step in PathTo[state])
            unit.Enter(step);
        return unit;
    }
}

[TestFixture, Category("Integration")]
public sealed class When_a_scope_uses_its_unit_of_work() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_reject_a_second_batch_step_and_commit_the_first()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var name = Unique("second step");
        await InScopeAsync(replica, async (_, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            await unit.DecideAsync(AddEffectConsumer.Step, new AddEffect(name, 0, ""), default);
            Assert.That(() => unit.DecideAsync(AddEffectConsumer.Step, new AddEffect(name, 1, ""), default),
                Throws.InvalidOperationException.With.Message.Contains("runs one batch step"));
            await unit.CommitAsync(default);
        });
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(1));
    }

    [Test]
    public async Task Should_commit_several_batch_steps_in_separate_units()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var name = Unique("again");
        await InScopeAsync(replica, async (db, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            for (var i = 0; i < 3; i++)
            {
                await unit.DecideAsync(AddEffectConsumer.Step, new AddEffect(name, i, ""), default);
                await unit.CommitAsync(default);
            }
        });
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(3));
    }
}
