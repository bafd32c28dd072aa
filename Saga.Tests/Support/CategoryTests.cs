namespace Saga.Tests.Unit;

/// <summary>The build runs tests by category: one without would never run.</summary>
[TestFixture, Category("Unit")]
public sealed class When_tests_are_chosen
{
    static readonly string[] Run = ["Unit", "Simulation", "Integration", "E2E"];

    [Test]
    public void Should_find_each_fixture_in_one_of_the_categories() =>
        Assert.That(typeof(When_tests_are_chosen).Assembly.GetTypes()
            .Where(x => !x.IsAbstract && x.IsDefined(typeof(TestFixtureAttribute), true))
            .Where(x => x.GetCustomAttributes(typeof(CategoryAttribute), true).Cast<CategoryAttribute>().Count(y => Run.Contains(y.Name)) != 1), Is.Empty);
}
