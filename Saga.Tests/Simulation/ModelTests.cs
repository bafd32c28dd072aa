using Saga.Simulation;

namespace Saga.Tests.Simulation;

[TestFixture, Category("Unit")]
public sealed class When_rules_are_checked_against_models
{
    [Test]
    public void Should_decide_about_funds_as_the_model_does() =>
        Assert.That(() => Models.Funds(20_000), Throws.Nothing);

    [Test]
    public void Should_run_the_saga_as_the_model_does() =>
        Assert.That(() => Models.Saga(20_000), Throws.Nothing);
}
