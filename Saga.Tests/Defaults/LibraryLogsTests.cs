using System.Diagnostics;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;
using Saga.Tests.Support;
using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Unit")]
public sealed class When_libraries_log
{
    static readonly InvalidOperationException Error = new("no connection");

    CapturedLog _log = null!;
    LibraryLogs _logs = null!;

    [SetUp]
    public void SetUp()
    {
        _log = new CapturedLog();
        _logs = new LibraryLogs(new LoggerFactory([_log]));
    }

    [TearDown]
    public void TearDown()
    {
        _logs.Dispose();
        _log.Dispose();
    }

    [Test]
    public void Should_log_a_warning_once_a_minute_for_each_endpoint_without_its_stack_trace()
    {
        var transport = _logs.CreateLogger("MassTransit.ReceiveTransport");
        for (var i = 0; i < 100; i++)
            foreach (var queue in (string[])["a", "b"])
                transport.LogWarning(Error, "Connection Failed: {InputAddress}", new Uri($"rabbitmq://x/{queue}"));

        Assert.That(_log.Last(10), Is.EqualTo(new[]
        {
            "Warning Connection Failed: rabbitmq://x/a: no connection",
            "Warning Connection Failed: rabbitmq://x/b: no connection",
        }));
    }

    [Test]
    public void Should_keep_the_stack_trace_of_an_error()
    {
        try
        {
            throw new InvalidOperationException("unexpected");
        }
        catch (InvalidOperationException e)
        {
            _logs.CreateLogger("Microsoft.AspNetCore.Server.Kestrel").LogError(e, "Request {Id} failed", 1);
        }

        Assert.That(_log.Last(1)[0], Does.Contain(nameof(Should_keep_the_stack_trace_of_an_error)));
    }

    [TestCase("R-RETRY {InputAddress}")]
    [TestCase("R-FAULT {InputAddress}")]
    public void Should_not_repeat_what_the_system_logs_with_the_order(string template)
    {
#pragma warning disable CA2254 // the templates are those of MassTransit
        _logs.CreateLogger("MassTransit").LogError(Error, template, new Uri("rabbitmq://x/a"));
#pragma warning restore CA2254
        Assert.That(_log.Last(1)[0], Does.StartWith("Debug "));
    }

    [Test]
    public void Should_log_a_service_that_is_not_ready_as_no_error()
    {
        var checks = _logs.CreateLogger("Microsoft.Extensions.Diagnostics.HealthChecks.DefaultHealthCheckService");
        for (var i = 0; i < 10; i++)
        {
            checks.LogError("Health check {HealthCheckName} with status {HealthStatus}", "transport", "Unhealthy");
            checks.LogError("Health check {HealthCheckName} with status {HealthStatus}", "database", "Unhealthy");
        }

        Assert.That(_log.Last(10), Is.EqualTo(new[]
        {
            "Information Health check transport with status Unhealthy",
            "Information Health check database with status Unhealthy",
        }));
    }

    [Test]
    public void Should_not_limit_lines_that_tell_nothing_bad()
    {
        var lifetime = _logs.CreateLogger("Microsoft.Hosting.Lifetime");
        foreach (var port in (int[])[1, 2, 3])
            lifetime.LogInformation("Now listening on: {Address}", port);
        Assert.That(_log.Last(10), Has.Count.EqualTo(3));
    }

    [Test]
    public void Should_have_the_trace_the_order_and_the_queue_of_the_current_span_and_no_path()
    {
        var scopes = new LineFields();
        using var span = new Activity("process").SetTag(OrderSpanTag.OfMessages.Name, "the order")
            .SetTag(Destination.NameLabel, "the queue").Start();
        using var query = new Activity("query").Start();
        using var request = scopes.Push(new[]
        {
            KeyValuePair.Create("RequestId", (object?)"1"),
            KeyValuePair.Create("RequestPath", (object?)"/v1/accounts/the account"),
        });
        using var other = scopes.Push("other");

        var found = new List<object?>();
        scopes.ForEachScope((scope, all) => all.Add(scope), found);

        Assert.That(found, Has.Count.EqualTo(2));
        Assert.That(found[0], Is.EqualTo(new[]
        {
            KeyValuePair.Create("TraceId", (object?)span.TraceId.ToString()),
            KeyValuePair.Create("OrderId", (object?)"the order"), KeyValuePair.Create("Queue", (object?)"the queue"),
        }));
        Assert.That(found[1], Is.EqualTo("other"));
    }
}
