using Saga.Drill;

namespace Saga.Tests.EndToEnd.Operators;

/// <summary>The steps of the drill, by a fault that passes quickly, and by one that fails at each step.</summary>
public sealed partial class When_an_operator_mends_what_is_stuck
{
    [Test]
    public async Task Should_pass_a_drill()
    {
        await using var load = new DrillLoad(System);
        var plant = new DrillPlant(System, load);
        var result = await new DrillRun(plant, TimeSpan.FromSeconds(30), MaxWait).RunAsync(new ForgottenPause(plant),
            default);
        Assert.That(result.Failure, Is.Null, $"{result}");
        Assert.That(result.Explanation, Does.Contain("was paused by tools for drill"));
        Assert.That(result.Mend, Is.EqualTo("ops resume reserve-funds"));
        await AuditAsync();
    }

    [TestCase("seen", "not seen within 2 s")]
    [TestCase("explained", "not explained within 2 s: nothing says \"no such cause\"")]
    [TestCase("mended", "ops queues has ended with 1")]
    [TestCase("healthy", "not healthy within 2 s: The order is Reserving")]
    public async Task Should_fail_a_drill_whose_step_fails(string step, string failure)
    {
        await using var load = new DrillLoad(System);
        var plant = new DrillPlant(System, load);
        var (fault, limit) = (new BrokenFault(plant, step), TimeSpan.FromSeconds(2));
        var result = await new DrillRun(plant, limit, limit).RunAsync(fault, default);
        Assert.That(result.Failure, Does.StartWith(failure), $"{result}");
        await AssertConfirmedAsync(fault.OrderId!);
        await AuditAsync();
    }

    /// <summary>A forgotten pause, of which one step fails.</summary>
    sealed class BrokenFault(DrillPlant plant, string broken) : DrillFault(plant)
    {
        readonly ForgottenPause _fault = new(plant);

        public override string Name => _fault.Name;

        public override string Cause => broken == "explained" ? "no such cause" : _fault.Cause;

        public override async Task InjectAsync(CancellationToken cancellationToken)
        {
            await _fault.InjectAsync(cancellationToken);
            OrderId = _fault.OrderId;
        }

        public override Task<string?> FindSignAsync(CancellationToken cancellationToken) =>
            broken == "seen" ? Task.FromResult<string?>(null) : _fault.FindSignAsync(cancellationToken);

        public override Task<string> MendAsync(string explanation, CancellationToken cancellationToken) => broken switch
        {
            "mended" => RunAsync(cancellationToken, "queues"), // has no reason
            "healthy" => Task.FromResult("nothing"),
            _ => _fault.MendAsync(explanation, cancellationToken),
        };

        public override Task CleanUpAsync() => _fault.CleanUpAsync();
    }
}
