namespace Saga.Tests.Support;

/// <summary>The build runs tests by category: a test without one would never run.</summary>
[TestFixture, Category("Unit")]
public sealed class When_tests_are_filtered_by_category
{
    static readonly string[] Categories = ["Unit", "Simulation", "Integration", "E2E", "Long"];

    [Test]
    public void Should_find_each_fixture_in_exactly_one_category() =>
        Assert.That(typeof(When_tests_are_filtered_by_category).Assembly.GetTypes()
            .Where(x => !x.IsAbstract && x.IsDefined(typeof(TestFixtureAttribute), true))
            .SelectMany(x => x.GetCustomAttributes(typeof(TestFixtureAttribute), true).Cast<TestFixtureAttribute>()
                .Select(y => (Type: x, Categories: CategoriesOf(x, y))))
            .Where(x => x.Categories.Count(Categories.Contains) != 1), Is.Empty);

    /// <summary>The categories of a fixture's class and of the fixture, if the class has several fixtures.</summary>
    static IEnumerable<string> CategoriesOf(Type type, TestFixtureAttribute fixture) =>
        type.GetCustomAttributes(typeof(CategoryAttribute), true).Cast<CategoryAttribute>().Select(x => x.Name)
            .Concat(fixture.Category?.Split(',') ?? []);
}
