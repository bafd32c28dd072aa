using Saga.Simulation;

namespace Saga.Tests.Unit;

[TestFixture, Category("Unit")]
public sealed class When_rules_meet_their_models
{
    [Test]
    public void Should_hold_give_back_and_spend_as_the_model_does() => Assert.That(() => Models.Funds(20_000), Throws.Nothing);

    [Test]
    public void Should_step_as_the_model_does() => Assert.That(() => Models.Saga(20_000), Throws.Nothing);
}
