using Messaging.Postgres;
using Npgsql;
using Service.Defaults;

namespace Saga.Tests.Unit;

[TestFixture, Category("Unit")]
public sealed class When_the_database_answers_with_an_error
{
    [TestCase("25006", Description = "read-only, as after a failover")]
    [TestCase("28P01", Description = "a password that was changed")]
    [TestCase("3D000", Description = "no such database, yet")]
    [TestCase("53300", Description = "too many connections")]
    [TestCase("57P01", Description = "told to end")]
    [TestCase("58030", Description = "input or output failed")]
    [TestCase("55P03", Description = "a lock that is held for long")]
    public void Should_wait_for_what_can_pass(string state) => Assert.That(PostgresErrors.IsUnavailable(Error(state)));

    [TestCase("23514", Description = "a check that failed")]
    [TestCase("23505", Description = "a key that is there")]
    [TestCase("42P01", Description = "no such table")]
    [TestCase("22003", Description = "a number out of range")]
    public void Should_not_wait_for_what_cannot(string state) => Assert.That(PostgresErrors.IsUnavailable(Error(state)), Is.False);

    [TestCase("RevalidateCachedQuery", ExpectedResult = true, Description = "a prepared statement returns something else after a migration")]
    [TestCase("transformStmt", ExpectedResult = false, Description = "what PostgreSQL does not have")]
    public bool Should_tell_what_is_not_supported_by_who_says_so(string routine) => PostgresErrors.IsUnavailable(Error("0A000", routine));

    static PostgresException Error(string state, string? routine = null) => new("as asked", "ERROR", "ERROR", state, routine: routine);
}
