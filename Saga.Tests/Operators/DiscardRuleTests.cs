using Operations;
using Operations.V1;

namespace Saga.Tests.Operators;

[TestFixture, Category("Unit")]
public sealed class When_a_message_is_to_be_discarded
{
    static readonly Guid Order = Guid.NewGuid();

    [TestCase("Reserving", true, null, true)]
    [TestCase("Cancelling", true, "Held", true)]
    [TestCase("Confirmed", true, "Held", true)]
    [TestCase("Confirmed", false, "Captured", true)]
    [TestCase("Rejected", false, "Rejected", true)]
    [TestCase("Cancelled", false, "Released", true)]
    [TestCase(null, false, null, true)]
    [TestCase(null, false, "Released", true)]
    [TestCase(null, false, "Held", false)]
    [TestCase("Confirmed", false, "Held", false)]
    [TestCase("Confirmed", false, null, false)]
    [TestCase("Cancelled", false, null, false)]
    [TestCase("Rejected", false, null, false)]
    [TestCase("Cancelled", false, "Held", false)]
    [TestCase("Rejected", false, "Captured", false)]
    [TestCase("Reserving", false, "Held", false)]
    [TestCase("StateOfANewerBuild", false, "Captured", false)]
    public void Should_keep_what_an_order_that_does_not_ask_again_may_need(string? state, bool isWaiting,
        string? reservation, bool isDiscardable) => Assert.That(DiscardRule.WhyNeeded(Order,
            state == null ? null : new OrderFacts { State = state, IsWaiting = isWaiting },
            reservation == null ? null : new ReservationFacts { Status = reservation }),
            isDiscardable ? Is.Null : Does.Contain($"{Order}"));
}
