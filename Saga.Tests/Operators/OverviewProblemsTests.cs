using Google.Protobuf.WellKnownTypes;
using Operations;
using Operations.V1;

namespace Saga.Tests.Operators;

[TestFixture, Category("Unit")]
public sealed class When_an_overview_is_judged
{
    static readonly BrokerQueue Healthy = new() { Name = "reserve-funds", Consumers = 1 };

    [Test]
    public void Should_find_no_problem_when_everything_is_as_it_should_be() =>
        Assert.That(ProblemsOf(new Overview { Mismatches = 0, Broker = new BrokerOverview { Queues = { Healthy } } }),
            Is.Empty);

    [Test]
    public void Should_find_no_problem_in_what_could_not_be_read() => Assert.That(ProblemsOf(new Overview()), Is.Empty);

    [Test]
    public void Should_name_each_problem_and_the_command_that_shows_more()
    {
        var group = new StuckGroup
        {
            Message = "FundsReserved",
            Count = 3,
            OldestSince = DateTime.UnixEpoch.ToTimestamp(),
            OlderThan = Duration.FromTimeSpan(TimeSpan.FromSeconds(5)),
        };
        var problems = ProblemsOf(new Overview
        {
            Orders = new OrdersOverview
            {
                Stuck = { group },
                Outbox = new Outbox { Unsent = 7, OldestAge = Duration.FromTimeSpan(TimeSpan.FromMinutes(3)) },
            },
            Holds = new HoldsOverview { Outbox = new Outbox { OldestAge = new Duration(), Parked = 4 } },
            Broker = new BrokerOverview
            {
                Alarms = { "memory alarm on rabbit@host" },
                Queues = { Healthy, new BrokerQueue { Name = "order-state", Failed = 1, Skipped = 2 } },
            },
            Mismatches = 6,
        }, new Queue
        {
            Name = "release-funds",
            IsPaused = true,
            Operator = "alice",
            Reason = "a test",
            PauseTime = DateTime.UnixEpoch.ToTimestamp(),
        });
        Assert.That(problems, Is.EqualTo(new[]
        {
            "queues: RabbitMQ has raised a memory alarm on rabbit@host. Messages wait in the outboxes.",
            "queues: Nobody consumes the queue order-state.",
            "queues: Order has not sent 7 messages, the oldest for 3 min.",
            "stuck: 3 orders have waited for FundsReserved for longer than 5 s, since 1970-01-01 00:00:00Z.",
            "dead-letters: Dead letters: 1 failed, 2 skipped, 4 parked.",
            "reconcile: Order and Account do not match in 6 orders or accounts.",
            "queues: The queue release-funds is paused since 1970-01-01 00:00:00Z by alice: a test",
        }));
    }

    static string[] ProblemsOf(Overview overview, params Queue[] consumed) =>
        [.. OverviewProblems.Of(overview, consumed).Select(x => $"{x.Command}: {x.Text}")];
}
