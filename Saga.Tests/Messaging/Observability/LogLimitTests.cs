using System.Net.Sockets;
using Messaging.Postgres.Observability;
using Npgsql;
using Saga.Tests.Support;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Unit")]
public sealed class When_a_condition_lasts
{
    static readonly Exception Unreachable = new NpgsqlException("Failed to connect", new SocketException(111));

    readonly TestClock _clock = new();

    [Test]
    public void Should_log_the_first_occurrence_at_once_and_then_one_a_minute_with_their_number()
    {
        var limit = new LogLimit(_clock);
        var counts = new List<int>();
        for (var second = 0; second <= 150; second++, _clock.Advance(1))
            if (limit.IsDue(Unreachable, out var count))
                counts.Add(count);

        Assert.That(counts, Is.EqualTo([1, 60, 60]), "at 0, 60 and 120 seconds");
    }

    [Test]
    public void Should_log_another_kind_of_error_at_once()
    {
        var limit = new LogLimit(_clock);

        Assert.That(limit.IsDue(Unreachable, out _));
        Assert.That(limit.IsDue(new InvalidOperationException("x"), out _));
        Assert.That(limit.IsDue(Rejected("57P03"), out _));
        Assert.That(limit.IsDue(Rejected("53300"), out _), "another SQLSTATE");
        Assert.That(limit.IsDue(new InvalidOperationException("y", new SocketException(104)), out _), Is.False,
            "the cause counts, not its wrapper");
    }

    [Test]
    public void Should_log_the_end_once()
    {
        var limit = new LogLimit(_clock);
        Assert.That(limit.HasEnded(out _), Is.False, "nothing has failed");
        for (var second = 0; second <= 20; second++, _clock.Advance(1))
            limit.IsDue(Unreachable, out _);

        Assert.That(limit.HasEnded(out var duration));
        Assert.That(duration, Is.EqualTo(TimeSpan.FromSeconds(21)));
        Assert.That(limit.HasEnded(out _), Is.False);
    }

    [Test]
    public void Should_log_two_lines_a_minute_while_it_comes_and_goes()
    {
        var limit = new LogLimit(_clock);
        var (failed, ended) = (0, 0);
        for (var second = 0; second < 120; second++, _clock.Advance(1))
            if (second % 2 == 0)
                failed += limit.IsDue(Unreachable, out _) ? 1 : 0;
            else
                ended += limit.HasEnded(out _) ? 1 : 0;

        Assert.That((failed, ended), Is.EqualTo((2, 2)));
    }

    [Test]
    public void Should_not_take_the_success_of_one_of_several_tasks_for_the_end()
    {
        var limit = new LogLimit(_clock, LogLimit.ForConcurrentTasks);
        for (var second = 0; second < 10; second++, _clock.Advance(1))
        {
            limit.IsDue(Unreachable, out _);
            Assert.That(limit.HasEnded(out _), Is.False);
        }

        _clock.Advance(5);
        Assert.That(limit.HasEnded(out _));
    }

    [Test]
    public void Should_not_remember_more_kinds_than_clients_should_invent()
    {
        var limit = new LogLimit(_clock);
        Assert.That(Enumerable.Range(0, 10_000).Count(x => limit.IsDue($"{x}", out _)), Is.EqualTo(201));
    }

    [Test]
    public void Should_cost_nothing_while_nothing_fails()
    {
        var limit = new LogLimit(_clock);
        limit.HasEnded(out _);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
            limit.HasEnded(out _);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    static PostgresException Rejected(string sqlState) => new("text", "FATAL", "FATAL", sqlState);
}
