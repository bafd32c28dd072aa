using System.Text.Json;
using Contracts;
using MassTransit.Metadata;
using MassTransit.Serialization;
using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Unit")]
public sealed class When_a_message_is_serialized
{
    static readonly JsonSerializerOptions Usual = new(SystemTextJsonMessageSerializer.Options);

    static readonly JsonSerializerOptions Lean =
        LeanEnvelopes.Configure(new JsonSerializerOptions(SystemTextJsonMessageSerializer.Options));

    static readonly ReserveFunds Message = new(Guid.NewGuid(), Guid.NewGuid(), 12.34m, "EUR");

    [Test]
    public void Should_omit_empty_values_and_the_description_of_the_process()
    {
        var json = JsonSerializer.Serialize(NewEnvelope(), Lean);

        Assert.That(json, Does.Not.Contain("null").And.Not.Contain("\"host\"").And.Not.Contain("\n"));
        Assert.That(json, Has.Length.LessThan(0.6 * JsonSerializer.Serialize(NewEnvelope(), Usual).Length));
    }

    [TestCase(true, false), TestCase(false, true), TestCase(true, true)]
    public void Should_be_read_with_and_without_them(bool isWrittenLean, bool isReadLean)
    {
        var sent = NewEnvelope();
        var json = JsonSerializer.Serialize(sent, isWrittenLean ? Lean : Usual);

        var read = JsonSerializer.Deserialize<MessageEnvelope>(json, isReadLean ? Lean : Usual)!;

        Assert.That((read.MessageId, read.ResponseAddress, read.RequestId),
            Is.EqualTo((sent.MessageId, sent.ResponseAddress, (string?)null)));
        Assert.That(read.MessageType, Is.EqualTo(sent.MessageType));
        Assert.That(((JsonElement)read.Message!).Deserialize<ReserveFunds>(isReadLean ? Lean : Usual),
            Is.EqualTo(Message));
    }

    static MessageEnvelope NewEnvelope() => new JsonMessageEnvelope
    {
        MessageId = $"{Guid.NewGuid()}",
        ConversationId = $"{Guid.NewGuid()}",
        SourceAddress = "exchange:order-state",
        DestinationAddress = "rabbitmq://127.0.0.1/reserve-funds",
        ResponseAddress = "exchange:order-state",
        MessageType = ["urn:message:Contracts:ReserveFunds"],
        Message = Message,
        SentTime = DateTime.UtcNow,
        Headers = [],
        Host = HostMetadataCache.Host,
    };
}
