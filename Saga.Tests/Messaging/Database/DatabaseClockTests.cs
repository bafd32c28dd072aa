using Messaging.Postgres.Database;
using Microsoft.EntityFrameworkCore;
using Saga.Tests.Support;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Unit")]
public sealed class When_the_databases_clock_is_read
{
    static readonly DateTime Now = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    readonly TestClock _time = new();
    DatabaseClock<DbContext> _clock = null!;

    [SetUp]
    public void Create() => _clock = new DatabaseClock<DbContext>(_time);

    [Test]
    public void Should_know_nothing_before_the_first_response() =>
        Assert.That(_clock.Earliest, Is.EqualTo(DateTime.MinValue));

    /// <summary>A scan that took a later time for the end would skip rows that become due in between.</summary>
    [TestCase(10, 0, TestName = "Should_not_be_ahead_of_a_database_that_reads_its_clock_late")]
    [TestCase(0, 10, TestName = "Should_not_be_ahead_of_a_database_whose_response_is_late")]
    public async Task Should_not_be_ahead(double before, double after)
    {
        await _clock.Set(() =>
        {
            _time.Advance(before);
            var read = Now;
            _time.Advance(after);
            return Task.FromResult(read);
        });
        Assert.That(_clock.Earliest, Is.InRange(Now, Now.AddSeconds(after)));
        _time.Advance(5);
        Assert.That(_clock.Earliest, Is.InRange(Now.AddSeconds(5), Now.AddSeconds(after + 5)));
    }
}
