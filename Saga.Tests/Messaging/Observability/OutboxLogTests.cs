using System.Net.Sockets;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Database;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Npgsql;
using Saga.Servers;
using Saga.Tests.Support;
using Service.Defaults;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Unit")]
public sealed class When_the_outbox_logs
{
    readonly TestClock _clock = new();
    CapturedLog _log = null!;
    LoggerFactory _logs = null!;
    FakeOutboxRows _rows = null!;
    Transport _transport = null!;
    OutboxOptions<DbContext> _options = null!;
    MessageDispatcher<DbContext> _dispatcher = null!;

    [SetUp]
    public void SetUp()
    {
        _log = new CapturedLog();
        _logs = new LoggerFactory([_log]);
        (_rows, _transport) = (new FakeOutboxRows(), new Transport());
        _options = new OutboxOptions<DbContext>
        {
            QueryDelay = TimeSpan.FromMilliseconds(1),
            MessageTag = OrderSpanTag.OfMessages,
        };
        var clock = new DatabaseClock<DbContext>(_clock);
        var owner = new OutboxOwner<DbContext>(_rows, _options, clock, _logs.CreateLogger<OutboxOwner<DbContext>>());
        _dispatcher = new MessageDispatcher<DbContext>(_transport, _options, _rows, owner, clock,
            _logs.CreateLogger<MessageDispatcher<DbContext>>());
    }

    [TearDown]
    public void TearDown()
    {
        _logs.Dispose();
        _log.Dispose();
    }

    [Test]
    public async Task Should_say_once_a_minute_that_the_database_is_away_and_once_that_it_is_back()
    {
        using var recovery = NewRecovery();
        await recovery.StartAsync(default);
        _rows.Error = new NpgsqlException("Failed to connect to the server", new SocketException(111));
        await SearchesAsync(20);
        Assert.That(Lines("cannot be searched"), Has.Count.EqualTo(1));
        Assert.That(Lines("cannot be searched")[0], Does.StartWith("Warning ").And.Contain("Failed to connect")
            .And.Contain("since the last such line: 1").And.Not.Contain("   at "), "no stack trace");

        _clock.Advance(60);
        await SearchesAsync(20);
        Assert.That(Lines("cannot be searched"), Has.Count.EqualTo(2));

        _rows.Error = null;
        await SearchesAsync(20);
        Assert.That(Lines("is searched for due messages again"), Is.Empty, "it may fail again");
        _clock.Advance(5);
        await SearchesAsync(20);
        Assert.That(Lines("is searched for due messages again"), Has.Count.EqualTo(1));
        await recovery.StopAsync(default);
    }

    [Test]
    public async Task Should_log_a_defect_with_its_stack_trace()
    {
        using var recovery = NewRecovery();
        _rows.Error = new InvalidOperationException("a defect");
        await recovery.StartAsync(default);
        await SearchesAsync(20);
        await recovery.StopAsync(default);
        Assert.That(Lines("cannot be searched").Single(), Does.Contain("   at "));
    }

    [Test]
    public async Task Should_name_one_order_of_many_whose_messages_cannot_be_sent()
    {
        _transport.Error = new ConnectionException("The broker is away");
        OutboxMessage[] messages = [.. Enumerable.Range(0, 1000).Select(_ => NewMessage(Guid.NewGuid()))];

        await _dispatcher.Dispatch(messages, default);

        Assert.That(Lines("could not be sent").Single(), Does.Contain("to reserve-funds").And.Not.Contain("   at "));
        Assert.That(messages.Count(x => Lines("could not be sent")[0].Contains($"order {x.CorrelationId} to",
            StringComparison.Ordinal)), Is.EqualTo(1));

        _transport.Error = null;
        _clock.Advance(10);
        await _dispatcher.Dispatch(messages, default);
        Assert.That(Lines("sent right after their commits again"), Has.Count.EqualTo(1));
    }

    OutboxRecovery<DbContext> NewRecovery() => new(_dispatcher, _options, new OutboxNotification(),
        _clock, _logs.CreateLogger<OutboxRecovery<DbContext>>());

    IReadOnlyList<string> Lines(string text) =>
        [.. _log.Last(10_000).Where(x => x.Contains(text, StringComparison.Ordinal))];

    Task SearchesAsync(int count)
    {
        var end = Volatile.Read(ref _rows.Searches) + count;
        return Wait.UntilAsync(() => Task.FromResult(Volatile.Read(ref _rows.Searches) >= end),
            TimeSpan.FromSeconds(10), () => $"{count} searches");
    }

    static OutboxMessage NewMessage(Guid order) => new()
    {
        Id = Guid.NewGuid(),
        CorrelationId = order,
        DestinationAddress = "rabbitmq://server/vhost/reserve-funds",
        MessageType = "urn:message:Contracts:ReserveFunds",
        Body = $$"""{ "message": { "orderId": "{{order}}", "amount": 4711.08 } }""",
    };

    sealed class Transport : IOutboxTransport<DbContext>
    {
        public Exception? Error { get; set; }

        public bool IsAvailable => true;

        public Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken) =>
            Error == null ? Task.CompletedTask : Task.FromException(Error);
    }
}
