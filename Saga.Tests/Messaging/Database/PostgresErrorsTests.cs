using System.Net.Sockets;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Saga.Tests.Messaging;

/// <summary>The table in the documentation of <see cref="PostgresErrors" />, row by row.</summary>
[TestFixture, Category("Unit")]
public sealed class When_a_database_error_is_classified
{
    static readonly Kind ServerError = new(IsUnavailable: true, MayConcernOneUnit: false);
    static readonly Kind LockTimeout = new(IsUnavailable: true, IsLockTimeout: true);
    static readonly Kind Conflict = new(IsConflict: true);
    static readonly Kind Temporary = new(IsUnavailable: true);
    static readonly Kind FalseOutage = new(MayConcernOneUnit: false);
    static readonly Kind Other = new();

    static IEnumerable<TestCaseData> Errors() => Table("");

    static IEnumerable<TestCaseData> WrappedErrors() => Table("wrapped, ");

    static IEnumerable<TestCaseData> Table(string prefix)
    {
        TestCaseData Case(string description, Exception error, Kind expected) =>
            new TestCaseData(error, expected).SetName(prefix + description);

        yield return Case("08006: the connection has failed", Error("08006"), ServerError);
        yield return Case("28P01: the password was changed", Error("28P01"), ServerError);
        yield return Case("3D000: the database does not exist yet", Error("3D000"), ServerError);
        yield return Case("53300: too many connections", Error("53300"), ServerError);
        yield return Case("57P01: the server shuts down", Error("57P01"), ServerError);
        yield return Case("58030: input or output has failed", Error("58030"), ServerError);
        yield return Case("25006: read-only after a failover", Error("25006"), ServerError);
        yield return Case("the connection is lost",
            new NpgsqlException("lost", new EndOfStreamException()), ServerError);
        yield return Case("a timeout", new TimeoutException(), ServerError);
        yield return Case("the host name is not resolved", new SocketException(11001), ServerError);

        yield return Case("55P03: lock_timeout has passed", Error("55P03"), LockTimeout);

        yield return Case("40001: serialization failure", Error("40001"), Conflict);
        yield return Case("40P01: deadlock", Error("40P01"), Conflict);
        yield return Case("23505: unique violation", Error("23505"), Conflict);
        yield return Case("the row has changed since it was read", new DbUpdateConcurrencyException("stale"), Conflict);

        yield return Case("25P03: the server has ended an idle transaction", Error("25P03"), Temporary);
        yield return Case("25P04: the server has ended a long transaction", Error("25P04"), Temporary);
        yield return Case("57014: statement_timeout has passed", Error("57014"), Temporary);
        yield return Case("a false outage", new FalseOutageException(20, new TimeoutException()), FalseOutage);

        yield return Case("55006: the object is in use", Error("55006"), Temporary);
        yield return Case("26000: the prepared statement is unknown", Error("26000"), Temporary);
        yield return Case("42P05: the prepared statement exists already", Error("42P05"), Temporary);
        yield return Case("0A000: a migration has changed the result of a prepared statement",
            Error("0A000", "RevalidateCachedQuery"), Temporary);

        yield return Case("0A000: PostgreSQL does not support the statement", Error("0A000", "transformStmt"), Other);
        yield return Case("23514: check violation", Error("23514"), Other);
        yield return Case("42P01: the table does not exist", Error("42P01"), Other);
        yield return Case("22003: a number is out of range", Error("22003"), Other);
        yield return Case("an exception of a handler", new InvalidOperationException("thrown by the test"), Other);
    }

    [TestCaseSource(nameof(Errors))]
    public void Should_follow_the_table(Exception error, object expected) =>
        Assert.That(Classify(error), Is.EqualTo(expected));

    [TestCaseSource(nameof(WrappedErrors))]
    public void Should_look_through_the_exceptions_of_ef_core(Exception error, object expected) => Assert.That(
        Classify(new InvalidOperationException("", new DbUpdateException("", error))), Is.EqualTo(expected));

    [TestCase("08006", true), TestCase("57P01", true), TestCase("57P05", true)]
    [TestCase("53300", false), TestCase("40001", false), TestCase("55P03", false)]
    public void Should_tell_a_lost_connection_from_other_errors(string sqlState, bool isLost)
    {
        Assert.That(PostgresErrors.IsConnectionLost(Error(sqlState)), Is.EqualTo(isLost));
        Assert.That(PostgresErrors.IsConnectionLost(new NpgsqlException("lost", new EndOfStreamException())));
        Assert.That(PostgresErrors.IsConnectionLost(new NpgsqlException("slow", new TimeoutException())), Is.False);
    }

    static Kind Classify(Exception error) => new(PostgresErrors.IsUnavailable(error), PostgresErrors.IsConflict(error),
        PostgresErrors.IsLockTimeout(error), PostgresErrors.MayConcernOneUnit(error));

    static PostgresException Error(string state, string? routine = null) =>
        new("thrown by the test", "ERROR", "ERROR", state, routine: routine);

    /// <summary>One row of the table.</summary>
    sealed record Kind(bool IsUnavailable = false, bool IsConflict = false, bool IsLockTimeout = false,
        bool MayConcernOneUnit = true);
}
