using Orders;

namespace Saga.Tests.Unit;

[TestFixture, Category("Unit")]
public sealed class When_a_queue_is_looked_at
{
    const int Length = 400;

    readonly Clock _clock = new();
    OverloadDetector _queue = null!;

    [SetUp]
    public void SetUp() => _queue = new OverloadDetector(Length, TimeSpan.FromSeconds(1), _clock);

    [Test]
    public void Should_stand_once_it_has_been_long_for_five_seconds() =>
        Assert.That(Looks(6, _ => Length, ends: true, refuses: false), Is.EqualTo(new[] { false, false, false, false, false, true }));

    [Test]
    public void Should_not_start_again_after_a_dip_to_half() =>
        Assert.That(Looks(6, i => i == 3 ? Length / 2 : Length, ends: true, refuses: false), Is.EqualTo(new[] { false, false, false, false, false, true }));

    [Test]
    public void Should_not_stand_once_it_is_shorter() =>
        Assert.That(Looks(20, i => i == 0 ? Length : Length - 1, ends: true, refuses: false), Has.None.True);

    [Test]
    public void Should_take_a_burst_for_a_burst() =>
        Assert.That(Looks(20, i => i % 5 == 4 ? Length / 2 - 1 : 3 * Length, ends: true, refuses: false), Has.None.True);

    [Test]
    public void Should_take_an_outage_for_an_outage()
    {
        Assert.That(Looks(20, _ => 3 * Length, ends: false, refuses: true), Has.None.True);
        Looks(6, _ => 3 * Length, ends: true, refuses: true);
        Assert.That(Looks(3, _ => 3 * Length, ends: false, refuses: true), Is.EqualTo(new[] { true, false, false }), "after two seconds");
    }

    [Test]
    public void Should_stand_until_nobody_is_sent_away()
    {
        Looks(6, _ => Length, ends: true, refuses: true);
        Assert.That(Looks(20, _ => Length / 4, ends: true, refuses: true), Has.All.True, "short because it is kept short");
        Assert.That(Looks(2, _ => Length / 4, ends: true, refuses: false), Is.EqualTo(new[] { false, false }));
    }

    /// <summary>A look a second.</summary>
    bool[] Looks(int count, Func<int, int> open, bool ends, bool refuses) => [.. Enumerable.Range(0, count).Select(i =>
    {
        var stands = _queue.IsOverloaded(open(i), ends, refuses);
        _clock.Seconds++;
        return stands;
    })];

    sealed class Clock : TimeProvider
    {
        public long Seconds { get; set; } = 1000;
        public override long TimestampFrequency => 1;
        public override long GetTimestamp() => Seconds;
    }
}
