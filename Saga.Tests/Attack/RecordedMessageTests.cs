using System.Text;
using Messaging.RabbitMq;
using RabbitMQ.Client;
using Saga.Attack;

namespace Saga.Tests.Attack;

[TestFixture, Category("Unit")]
public sealed class When_a_recorded_message_is_repeated
{
    static readonly CachedString Queue = new("orders"), Batches = new("orders_batch");

    [Test]
    public void Should_change_the_id_in_the_properties_and_in_the_envelope()
    {
        var message = Message(Guid.NewGuid(), "first");
        var repeated = new RecordedMessage("orders", message.Properties, message.Body).WithNewIds();

        Assert.That((repeated.IsBatch, repeated.Count, repeated.Exchange), Is.EqualTo((false, 1, "orders")));
        Assert.That(repeated.Properties.MessageId, Is.Not.EqualTo(message.Properties.MessageId));
        Assert.That(TextOf(repeated.Body), Is.EqualTo(Envelope(repeated.Properties.MessageId!, "first")));
    }

    [Test]
    public void Should_change_the_ids_of_all_messages_of_a_batch()
    {
        var batch = Batch();
        var repeated = batch.WithNewIds();

        Assert.That((repeated.IsBatch, repeated.Count, repeated.Exchange), Is.EqualTo((true, 2, "orders_batch")));
        var (before, after) = (MessageBatch.Read(batch.Properties, batch.Body)!,
            MessageBatch.Read(repeated.Properties, repeated.Body)!);
        Assert.That(after.Select(x => x.Properties.MessageId),
            Is.Unique.And.Not.SubsetOf(before.Select(x => x.Properties.MessageId)));
        Assert.That(after.Select(x => TextOf(x.Body)), Is.EqualTo(new[]
        {
            Envelope(after[0].Properties.MessageId!, "first"), Envelope(after[1].Properties.MessageId!, "second"),
        }));
    }

    [Test]
    public void Should_take_a_batch_apart_for_the_queue_of_single_messages()
    {
        var batch = Batch();
        var alone = batch.TakenApart().ToList();

        Assert.That(alone.Select(x => x.Exchange), Is.EqualTo(new[] { "orders", "orders" }));
        Assert.That(alone.Select(x => TextOf(x.Body)), Is.EqualTo(
            MessageBatch.Read(batch.Properties, batch.Body)!.Select(x => TextOf(x.Body))));
        Assert.That(alone[0].TakenApart(), Is.EqualTo(new[] { alone[0] }));
    }

    static RecordedMessage Batch()
    {
        var batch = UnconfirmedBatch.Of([Message(Guid.NewGuid(), "first"), Message(Guid.NewGuid(), "second")]);
        return new RecordedMessage(batch.Exchange.Value, batch.Properties, batch.Body);
    }

    static UnconfirmedMessage Message(Guid id, string content) =>
        new(Queue, mandatory: true, new BasicProperties { MessageId = id.ToString(), ContentType = "text/json" },
            Encoding.UTF8.GetBytes(Envelope(id.ToString(), content)), CancellationToken.None)
        { BatchExchange = Batches };

    static string Envelope(string id, string content) => $$"""{"messageId":"{{id}}","message":"{{content}}"}""";

    static string TextOf(ReadOnlyMemory<byte> body) => Encoding.UTF8.GetString(body.Span);
}
