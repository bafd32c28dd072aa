using Saga.Simulation;

namespace Saga.Tests.Simulation;

/// <summary>
/// The production state machine, rules and order of steps in simulated worlds, most with many faults. To replay a seed
/// with its whole history:
/// dotnet run -c Release --project tools/Saga.Cli -- simulate --seed N
/// </summary>
[TestFixture, Category("Simulation")]
public sealed class When_a_world_is_simulated
{
    [Test]
    public void Should_violate_no_invariant_in_10000_seeds()
    {
        var (found, steps) = SimulateCommand.Run(1, 10_000);
        Assert.That(found.Select(x => $"seed {x.Seed}: {x.Violations[0]}"), Is.Empty);
        Assert.That(steps, Is.GreaterThan(5_000_000));
    }

    [Test]
    public void Should_violate_no_invariant_with_the_accounts_in_four_databases()
    {
        var (found, _) = SimulateCommand.Run(1, 500, partitions: 4);
        Assert.That(found.Select(x => $"seed {x.Seed}: {x.Violations[0]}"), Is.Empty);
    }

    [Test]
    public void Should_send_each_message_once_while_nothing_fails()
    {
        var (found, _) = SimulateCommand.Run(1, 1_000, hasFaults: false);
        Assert.That(found.Select(x => $"seed {x.Seed}: {x.Violations[0]}"), Is.Empty);
    }

    [Test]
    public void Should_reach_every_final_status()
    {
        var ends = Enumerable.Range(1, 50).SelectMany(x => World.Run(x).Outcomes)
            .GroupBy(x => x.Key).ToDictionary(x => x.Key, x => x.Sum(y => y.Value));
        Assert.That(ends.Keys, Is.EquivalentTo(new[] { "Confirmed", "Rejected", "Cancelled" }));
        Assert.That(ends.Values, Has.All.GreaterThan(100));
    }

    [Test]
    public void Should_repeat_the_same_history_for_the_same_seed([Values(1, 7, 4711)] int seed)
    {
        var (once, again) = (History(seed), History(seed));
        Assert.That(again, Is.EqualTo(once));

        static List<string> History(int seed)
        {
            var lines = new List<string>();
            World.Run(seed, trace: lines.Add);
            return lines;
        }
    }

    [Test]
    public void Should_detect_every_mutant_and_most_of_them_by_simulation()
    {
        var findings = MutantHunt.Run();
        Assert.That(findings.Where(x => !x.IsFound).Select(x => x.Mutant), Is.Empty);
        var simulated = findings.Where(x => x.Seed != null).Select(x => x.Mutant).ToList();
        Assert.That(simulated, Has.Count.GreaterThanOrEqualTo(10));
        Assert.That(simulated, Is.SupersetOf(new[]
        {
            Mutant.BatchAckedByFirstMember, Mutant.BatchKeyedAsOne, Mutant.LostGroupsTrusted,
            Mutant.FailedHandlersCommitted, Mutant.LocksEndBeforeCommit, Mutant.QuarantineShared,
            Mutant.AdoptsFromTheLiving, Mutant.PartitionedByOrder,
        }));
    }
}
