using MassTransit;
using Messaging.Postgres;
using Messaging.Postgres.Inbox;
using Messaging.Postgres.Sagas;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Saga.Servers;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

/// <summary>A message whose handler fails as if the database were unavailable must not be retried for ever.</summary>
[TestFixture, Category("Integration")]
public sealed class When_a_handler_fails_as_if_the_database_were_away() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_move_the_message_to_the_error_queue()
    {
        var replica = await StartReplicaAsync(retries: false, outbox: false, configure: x =>
        {
            x.AddConsumer<CallPartnerConsumer>();
            x.AddConfigureEndpointsCallback((context, _, endpoint) =>
            {
                endpoint.UseMessageRetry(r =>
                {
                    r.Handle<Exception>(PostgresErrors.IsUnavailable);
                    r.Interval(10_000, TimeSpan.FromMilliseconds(100));
                });
                endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
            });
        });

        await replica.Services.GetRequiredService<IBus>().Publish(new CallPartner());

        await WaitUntilAsync(async () => (await Servers.Rabbit.QueuesAsync(Name)).Contains("call-partner_error"),
            "the message to fail");
        Assert.That(Log.Last(60), Has.Some.Contains(nameof(FalseOutageException)));
    }

    public sealed record CallPartner;

    /// <summary>Its call of another system always takes too long.</summary>
    public sealed class CallPartnerConsumer : IConsumer<CallPartner>
    {
        public Task Consume(ConsumeContext<CallPartner> context) =>
            throw new TimeoutException("the partner does not answer");
    }
}

[TestFixture, Category("Unit")]
public sealed class When_failures_of_one_delivery_are_counted
{
    InProcessReceiveContext _delivery = null!;

    [SetUp]
    public void Deliver() => _delivery = new(new Uri("exchange:test"), null!, null!, default);

    [Test]
    public void Should_retry_while_the_database_is_away_now_and_then()
    {
        for (var i = 0; i < 1000; i++)
            FalseOutage.Count(_delivery, new TimeoutException(), lastAnswer: i, isRecent: i % 10 != 0);
    }

    [TestCase("57P01")] // the server shuts down
    [TestCase("53100")] // its disk is full
    [TestCase("55P03")] // the row is locked
    public void Should_retry_what_the_server_reports(string sqlState)
    {
        var error = new PostgresException("thrown by the test", "ERROR", "ERROR", sqlState);
        for (var i = 0; i < 1000; i++)
            FalseOutage.Count(_delivery, error, lastAnswer: i, isRecent: true);
    }

    [Test]
    public void Should_retry_after_many_failures_at_the_beginning_of_an_outage()
    {
        for (var i = 0; i < 1000; i++)
            FalseOutage.Count(_delivery, new TimeoutException(), lastAnswer: 1, isRecent: true);
    }

    [Test]
    public void Should_end_the_retries_of_a_statement_that_always_takes_too_long()
    {
        var error = new PostgresException("thrown by the test", "ERROR", "ERROR", PostgresErrorCodes.QueryCanceled);
        Assert.That(() =>
        {
            for (var i = 0; i < 100; i++)
                FalseOutage.Count(_delivery, error, lastAnswer: i, isRecent: true);
        }, Throws.TypeOf<FalseOutageException>());
    }
}
