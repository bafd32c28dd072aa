using System.Text;
using Operations;
using Operations.V1;
using RabbitMQ.Client;

namespace Saga.Tests.Operators;

[TestFixture, Category("Unit")]
public sealed class When_a_dead_letter_is_read
{
    const string OrderId = "01a22147-127b-7ee7-8948-bc17cec04f4c";

    static readonly byte[] Envelope = Encoding.UTF8.GetBytes($$"""
        {"messageId":"01a22147-0000-7000-8000-000000000000","messageType":["urn:message:Contracts:ReserveFunds"],
         "message":{"orderId":"{{OrderId}}","amount":12.5},"sentTime":"2026-11-29T00:00:00Z"}
        """);

    static BasicProperties Properties(params (string Key, string Value)[] headers) => new()
    {
        MessageId = "01a22147-0000-7000-8000-000000000000",
        Persistent = true,
        Headers = headers.ToDictionary(x => x.Key, x => (object?)Encoding.UTF8.GetBytes(x.Value)),
    };

    static readonly (string, string)[] Fault =
    [
        ("MT-Reason", "fault"), ("MT-Fault-ExceptionType", "System.InvalidOperationException"),
        ("MT-Fault-Message", "no funds"), ("MT-Fault-StackTrace", "   at Accounts.FundsStep.Decide(Object x)"),
        ("MT-Fault-Timestamp", "2026-11-29T00:00:05.0000000Z"), ("MT-Host-MachineName", "host"),
        ("traceparent", "00-1-2-01"),
    ];

    [Test]
    public void Should_know_its_cause_its_order_and_its_times()
    {
        var letter = DeadLetterReader.Read("reserve-funds_error", Properties(Fault), Envelope);
        Assert.That(letter.Cause, Is.EqualTo(new DeadLetterCause(DeadLetterKind.Failed, "reserve-funds",
            "Contracts:ReserveFunds", "System.InvalidOperationException", "Accounts.FundsStep.Decide")));
        Assert.That(letter.OrderIds, Is.EqualTo(new[] { Guid.Parse(OrderId) }));
        Assert.That(letter.Reason, Is.EqualTo("no funds"));
        Assert.That(letter.Body, Does.Contain("12.5"));
        Assert.That(letter.SendTime, Is.EqualTo(new DateTime(2026, 11, 29, 0, 0, 0, DateTimeKind.Utc)));
        Assert.That(letter.FailTime, Is.EqualTo(new DateTime(2026, 11, 29, 0, 0, 5, DateTimeKind.Utc)));
    }

    [Test]
    public void Should_be_in_the_group_of_the_same_cause_only()
    {
        var group = DeadLetterReader.Read("reserve-funds_error", Properties(Fault), Envelope).Cause.GroupId;
        Assert.That(DeadLetterReader.Read("reserve-funds_error",
            Properties([.. Fault[..2], ("MT-Fault-Message", "another reason"), .. Fault[3..]]), Envelope).Cause.GroupId,
            Is.EqualTo(group));
        Assert.That(DeadLetterReader.Read("release-funds_error", Properties(Fault), Envelope).Cause.GroupId,
            Is.Not.EqualTo(group));
        Assert.That(DeadLetterReader.Read("reserve-funds_error",
            Properties([.. Fault[..1], ("MT-Fault-ExceptionType", "System.Exception"), .. Fault[2..]]), Envelope)
            .Cause.GroupId, Is.Not.EqualTo(group));
    }

    [TestCase("no JSON")]
    [TestCase("[]")]
    [TestCase("{}")]
    [TestCase("""{"message":1,"messageType":[]}""")]
    public void Should_show_the_text_of_what_is_no_envelope(string text)
    {
        var letter = DeadLetterReader.Read("order-state_skipped", new BasicProperties(), Encoding.UTF8.GetBytes(text));
        Assert.That((letter.Body, letter.Cause.MessageType, letter.Cause.Kind), Is.EqualTo(
            (text, "", DeadLetterKind.Skipped)));
        Assert.That(letter.OrderIds, Is.Empty);
    }

    [TestCase("""{"message":{"a":1},"messageType":["urn:message:A:B"],"sentTime":null}""")]
    [TestCase("""{"message":{"a":1},"messageType":["urn:message:A:B"],"sentTime":1}""")]
    public void Should_have_no_send_time_if_its_envelope_has_none(string text)
    {
        var letter = DeadLetterReader.Read("order-state_error", new BasicProperties(), Encoding.UTF8.GetBytes(text));
        Assert.That((letter.Cause.MessageType, letter.ToProto().SendTime), Is.EqualTo(("A:B", (object?)null)));
    }

    [Test]
    public void Should_show_the_text_of_what_is_no_valid_text()
    {
        byte[] body = [.. """{"messageType":["urn:message:A:B"],"message":"a"""u8, 0xFF, .. "\"}"u8];
        Assert.That(DeadLetterReader.Read("order-state_error", new BasicProperties(), body).Body, Does.Contain("A:B"));
    }

    [Test]
    public void Should_be_replayed_with_the_headers_that_it_had_and_by_its_operator()
    {
        var properties = DeadLetterReader.ReplayProperties(
            Properties([.. Fault, ("MT-Fault-Address", "kept"), ("Verified-Sender", "orders")]), "operations");
        Assert.That(properties.Headers!.Keys,
            Is.EquivalentTo(new[] { "traceparent", "MT-Fault-Address", "Verified-Sender" }));
        Assert.That(properties.UserId, Is.EqualTo("operations"));
        Assert.That(properties.MessageId, Is.EqualTo("01a22147-0000-7000-8000-000000000000"));
        Assert.That(properties.Persistent);
        Assert.That(DeadLetterReader.ReplayProperties(Properties(Fault[..6]), "").Headers, Is.Null);
    }

    [Test]
    public void Should_name_all_orders_of_a_message_about_several()
    {
        var body = Encoding.UTF8.GetBytes($$"""
            {"messageType":["urn:message:Contracts:OrdersCaptured"],"message":{"orderIds":["{{OrderId}}","x",1]} }
            """);
        Assert.That(DeadLetterReader.Read("orders-captured_error", new BasicProperties(), body).OrderIds,
            Is.EqualTo(new[] { Guid.Parse(OrderId) }));
    }
}
