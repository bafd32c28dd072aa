using Google.Protobuf.WellKnownTypes;
using Google.Type;
using Operations;
using Operations.V1;
using DateTime = System.DateTime;

namespace Saga.Tests.Operators;

[TestFixture, Category("Unit")]
public sealed class When_an_order_is_compared_with_its_reservation
{
    static readonly DateTime Now = new(2026, 11, 29, 12, 0, 0, DateTimeKind.Utc);
    static readonly DateTime ExpectedBefore = Now.AddMinutes(-1), CaptureBefore = Now.AddMinutes(-10);
    static readonly Guid Id = Guid.NewGuid();

    static Money Euros(long units) => new() { CurrencyCode = "EUR", Units = units };

    static OrderFacts Order(string state, bool isWaiting = false, int minutesAgo = 5) => new()
    {
        OrderId = $"{Id}",
        AccountId = "a",
        State = state,
        Total = Euros(10),
        IsWaiting = isWaiting,
        UpdateTime = Now.AddMinutes(-minutesAgo).ToTimestamp(),
    };

    static ReservationFacts Reservation(string status, int minutesAgo = 5) => new()
    {
        OrderId = $"{Id}",
        AccountId = "a",
        Status = status,
        Amount = status == "Rejected" ? Euros(0) : Euros(10),
        EntriesHeld = status == "Rejected" ? null : Euros(10),
        EntriesReleased = status == "Released" ? Euros(10) : null,
        EntriesCaptured = status == "Captured" ? Euros(10) : null,
        CreateTime = Now.AddMinutes(-minutesAgo).ToTimestamp(),
        UpdateTime = Now.AddMinutes(-minutesAgo).ToTimestamp(),
    };

    static MismatchKind? Find(OrderFacts? order, ReservationFacts? reservation) =>
        MismatchRule.Find(Id, order, reservation, ExpectedBefore, CaptureBefore)?.Kind;

    [TestCase("Confirmed", "Captured")]
    [TestCase("Rejected", "Rejected")]
    [TestCase("Cancelled", "Released")]
    [TestCase("Cancelled", "Rejected")]
    public void Should_find_nothing_when_they_match(string state, string status) =>
        Assert.That(Find(Order(state), Reservation(status)), Is.Null);

    [TestCase("Reserving", null)]
    [TestCase("Reserving", "Held")]
    [TestCase("Cancelling", "Held")]
    [TestCase("Cancelling", "Released")]
    [TestCase("Confirmed", "Held")]
    public void Should_find_nothing_while_the_order_waits(string state, string? status) => Assert.That(
        Find(Order(state, isWaiting: true), status == null ? null : Reservation(status)), Is.Null);

    [TestCase("Confirmed", "Held", MismatchKind.ConfirmedNotCaptured)]
    [TestCase("Confirmed", "Released", MismatchKind.ConfirmedWithoutFunds)]
    [TestCase("Confirmed", "Rejected", MismatchKind.ConfirmedWithoutFunds)]
    [TestCase("Confirmed", null, MismatchKind.OrderWithoutReservation)]
    [TestCase("Rejected", null, MismatchKind.OrderWithoutReservation)]
    [TestCase("Cancelled", null, MismatchKind.OrderWithoutReservation)]
    [TestCase("Cancelled", "Held", MismatchKind.HoldWithoutLiveOrder)]
    [TestCase("Rejected", "Held", MismatchKind.HoldWithoutLiveOrder)]
    [TestCase(null, "Held", MismatchKind.HoldWithoutLiveOrder)]
    [TestCase(null, "Captured", MismatchKind.CapturedWithoutConfirmed)]
    [TestCase("Cancelled", "Captured", MismatchKind.CapturedWithoutConfirmed)]
    [TestCase("Cancelling", "Captured", MismatchKind.CapturedWithoutConfirmed)]
    [TestCase("Rejected", "Captured", MismatchKind.CapturedWithoutConfirmed)]
    public void Should_find_states_that_contradict_each_other(string? state, string? status, object kind) =>
        Assert.That(Find(state == null ? null : Order(state), status == null ? null : Reservation(status)),
            Is.EqualTo(kind));

    [Test]
    public void Should_find_a_capture_that_takes_too_long() => Assert.That(
        Find(Order("Confirmed", isWaiting: true, minutesAgo: 11), Reservation("Held")),
        Is.EqualTo(MismatchKind.ConfirmedNotCaptured));

    [Test]
    public void Should_find_nothing_in_what_has_just_changed()
    {
        Assert.That(Find(Order("Cancelled", minutesAgo: 0), Reservation("Held")), Is.Null);
        Assert.That(Find(Order("Cancelled"), Reservation("Held", minutesAgo: 0)), Is.Null);
    }

    [Test]
    public void Should_find_amounts_currencies_and_accounts_that_differ()
    {
        var (order, reservation) = (Order("Confirmed"), Reservation("Captured"));
        order.Total = Euros(11);
        Assert.That(Find(order, reservation), Is.EqualTo(MismatchKind.AmountDiffers));
        order.Total = new Money { CurrencyCode = "USD", Units = 10 };
        Assert.That(Find(order, reservation), Is.EqualTo(MismatchKind.AmountDiffers));
        order.AccountId = "b";
        Assert.That(Find(order, reservation), Is.EqualTo(MismatchKind.AccountDiffers));
    }

    [TestCase("Held", 9, 0, 0)]
    [TestCase("Held", 10, 10, 0)]
    [TestCase("Held", 10, 0, 10)]
    [TestCase("Captured", 10, 0, 0)]
    [TestCase("Captured", 10, 10, 10)]
    [TestCase("Released", 10, 0, 0)]
    [TestCase("Rejected", 10, 10, 0)]
    public void Should_find_entries_that_are_not_those_of_the_reservation(string status, long held, long released,
        long captured)
    {
        var reservation = Reservation(status);
        (reservation.EntriesHeld, reservation.EntriesReleased, reservation.EntriesCaptured) =
            (Euros(held), Euros(released), Euros(captured));
        var order = Order(status switch { "Held" => "Reserving", "Captured" => "Confirmed", _ => "Cancelled" },
            isWaiting: status == "Held");
        Assert.That(Find(order, reservation), Is.EqualTo(MismatchKind.EntriesDoNotAddUp));
    }

    [Test]
    public void Should_say_how_to_mend_each_kind() => Assert.That(
        System.Enum.GetValues<MismatchKind>().Select(Mends.Of), Has.All.Length.GreaterThan(40));
}
