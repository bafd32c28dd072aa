namespace Saga.Tests.Support;

/// <summary>The build runs tests by category: a test without one would never run.</summary>
[TestFixture, Category("Unit")]
public sealed class When_tests_are_filtered_by_category
{
    static readonly string[] Categories = ["Unit", "Simulation", "Integration", "E2E"];

    [Test]
    public void Should_find_each_fixture_in_exactly_one_category() =>
        Assert.That(typeof(When_tests_are_filtered_by_category).Assembly.GetTypes()
            .Where(x => !x.IsAbstract && x.IsDefined(typeof(TestFixtureAttribute), true))
            .Where(x => x.GetCustomAttributes(typeof(CategoryAttribute), true).Cast<CategoryAttribute>()
                .Count(y => Categories.Contains(y.Name)) != 1), Is.Empty);
}
