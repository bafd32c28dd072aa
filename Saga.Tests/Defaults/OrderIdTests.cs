using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Unit")]
public sealed class When_an_order_id_tells_its_time
{
    static readonly DateTime Time = new(2026, 11, 29, 1, 2, 3, 456, DateTimeKind.Utc);

    [Test]
    public void Should_return_the_create_time() =>
        Assert.That(OrderId.TimeOf(OrderId.New(Time.AddTicks(1))), Is.EqualTo(Time));

    [Test]
    public void Should_bound_the_ids_of_a_time() =>
        Assert.That((OrderId.TimeOf(OrderId.First(Time)), OrderId.TimeOf(OrderId.Last(Time))),
            Is.EqualTo((Time, Time)));

    [Test]
    public void Should_accept_ids_of_other_versions() =>
        Assert.That(OrderId.TimeOf(Guid.AllBitsSet).Kind, Is.EqualTo(DateTimeKind.Utc));
}
