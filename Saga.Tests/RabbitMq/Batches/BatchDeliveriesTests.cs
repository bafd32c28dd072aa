using Messaging.RabbitMq;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Unit")]
public sealed class When_the_messages_of_a_batch_are_settled
{
    readonly BatchDeliveries _deliveries = new();

    [Test]
    public void Should_acknowledge_the_batch_with_its_last_message()
    {
        var first = _deliveries.Add(7, 3);
        Assert.That(_deliveries.Settle(first + 1, isReturned: false), Is.Null);
        Assert.That(_deliveries.Settle(first, isReturned: false), Is.Null);
        Assert.That(_deliveries.Settle(first + 2, isReturned: false), Is.EqualTo((7UL, false)));
    }

    [Test]
    public void Should_return_the_batch_if_one_message_was_returned()
    {
        var first = _deliveries.Add(7, 3);
        Assert.That(_deliveries.Settle(first, isReturned: false), Is.Null);
        Assert.That(_deliveries.Settle(first + 1, isReturned: true), Is.Null);
        Assert.That(_deliveries.Settle(first + 2, isReturned: false), Is.EqualTo((7UL, true)));
    }

    [Test]
    public void Should_settle_batches_and_other_deliveries_independently()
    {
        var (first, second) = (_deliveries.Add(7, 2), _deliveries.Add(8, 2));
        Assert.That(_deliveries.Settle(9, isReturned: false), Is.EqualTo((9UL, false)));
        Assert.That(_deliveries.Settle(first, isReturned: true), Is.Null);
        Assert.That(_deliveries.Settle(second, isReturned: false), Is.Null);
        Assert.That(_deliveries.Settle(second + 1, isReturned: false), Is.EqualTo((8UL, false)));
        Assert.That(_deliveries.Settle(first + 1, isReturned: false), Is.EqualTo((7UL, true)));
    }
}
