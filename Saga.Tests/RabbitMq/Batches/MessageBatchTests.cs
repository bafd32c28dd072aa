using System.Text;
using Messaging.Postgres.Observability;
using Messaging.RabbitMq;
using RabbitMQ.Client;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Unit")]
public sealed class When_waiting_messages_are_combined
{
    const string Json = "application/vnd.masstransit+json";

    static readonly CachedString Exchange = new("orders"), Batches = new("orders_batch"), Others = new("others_batch");

    [Test]
    public void Should_keep_the_id_the_correlation_and_the_body_of_each()
    {
        var correlation = Guid.NewGuid();
        var messages = new List<UnconfirmedMessage>
        {
            Message("first", correlationId: correlation), Message(""), Message("third"),
        };

        var batch = BatchBuilder.Combine(messages).Single();

        Assert.That(batch.Exchange, Is.SameAs(Batches));
        Assert.That((batch.Mandatory, batch.Properties.Persistent), Is.EqualTo((true, true)));
        var read = MessageBatch.Read(batch.Properties, batch.Body)!;
        Assert.That(read.Select(x => Encoding.UTF8.GetString(x.Body.Span)), Is.EqualTo(["first", "", "third"]));
        Assert.That(read.Select(x => x.Properties.MessageId), Is.EqualTo(messages.Select(x => x.Properties.MessageId)));
        Assert.That(read.Select(x => x.Properties.CorrelationId),
            Is.EqualTo(new[] { correlation.ToString(), null, null }));
        Assert.That(read.Select(x => x.Properties.ContentType), Has.All.EqualTo(Json));
    }

    [Test]
    public void Should_send_alone_what_cannot_be_combined()
    {
        var alone = Message("alone in its exchange", Others);
        var single = Message("not for batches", batches: null);
        var cancelled = Message("cancelled", cancellationToken: new CancellationToken(true));
        var otherType = Message("other type", contentType: "text/plain");

        var combined = BatchBuilder.Combine(
            [Message("1"), alone, single, cancelled, otherType, Message("2")]);

        Assert.That(combined, Has.Count.EqualTo(5).And.SupersetOf(new[] { alone, single, cancelled, otherType }));
        Assert.That(combined.OfType<UnconfirmedBatch>().Single().Members, Has.Count.EqualTo(2));
    }

    [Test]
    public void Should_limit_the_count_and_the_bytes_of_a_batch()
    {
        var small = BatchBuilder.Combine([.. Enumerable.Range(0, 250).Select(x => Message($"{x}"))]);
        var large = BatchBuilder.Combine([.. Enumerable.Range(0, 4).Select(_ => Message(new string('x', 30_000)))]);
        var huge = BatchBuilder.Combine([Message(new string('x', 200_000)), Message("1"), Message("2")]);

        Assert.That(small.Cast<UnconfirmedBatch>().Select(x => x.Members.Count), Is.EqualTo([100, 100, 50]));
        var bodies = small.Cast<UnconfirmedBatch>().SelectMany(x => x.Members).Select(x => x.Body);
        Assert.That(bodies.Select(x => Encoding.UTF8.GetString(x.Span)),
            Is.EqualTo(Enumerable.Range(0, 250).Select(x => $"{x}")));
        Assert.That(large, Has.Count.EqualTo(2));
        Assert.That(large.Select(x => x.Body.Length), Has.All.LessThan(MessageBatch.MaxSize));
        Assert.That(huge.Select(x => x is UnconfirmedBatch), Is.EqualTo([false, true]));
    }

    [Test]
    public void Should_keep_the_trace_of_each()
    {
        string?[] traces = [null, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", null,
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"];
        var messages = traces.Select(x =>
        {
            var message = Message("traced");
            if (x != null)
                message.Properties.Headers = new Dictionary<string, object?> { [MessageSpans.Header] = x };
            return message;
        }).ToList();

        var batch = BatchBuilder.Combine(messages).Single();

        Assert.That(MessageBatch.Read(batch.Properties, batch.Body)!
            .Select(x => x.Properties.Headers?[MessageSpans.Header]), Is.EqualTo(traces));
        Assert.That(BatchBuilder.Combine([Message("a"), Message("b")]).Single().Properties.Headers, Is.Null);
    }

    [TestCase(0), TestCase(1), TestCase(35), TestCase(40)]
    public void Should_not_read_a_part_of_a_batch(int length)
    {
        var batch = BatchBuilder.Combine([Message("first"), Message("second")]).Single();
        Assert.That(MessageBatch.Read(batch.Properties, batch.Body[..length]), Is.Null);
    }

    [Test]
    public void Should_not_read_another_content_type() =>
        Assert.That(MessageBatch.Read(new BasicProperties { ContentType = Json }, "{}"u8.ToArray()), Is.Null);

    static UnconfirmedMessage Message(string body, string contentType = Json, Guid? correlationId = null,
        CancellationToken cancellationToken = default) =>
        Message(body, Batches, contentType, correlationId, cancellationToken);

    static UnconfirmedMessage Message(string body, CachedString? batches, string contentType = Json,
        Guid? correlationId = null, CancellationToken cancellationToken = default) =>
        new(Exchange, mandatory: true, new BasicProperties
        {
            MessageId = Guid.NewGuid().ToString(),
            CorrelationId = correlationId?.ToString(),
            ContentType = contentType,
        }, Encoding.UTF8.GetBytes(body), cancellationToken)
        { BatchExchange = batches };
}
