using Orders;

namespace Saga.Tests.Orders;

[TestFixture, Category("Unit")]
public sealed class When_a_queue_is_checked_for_overload
{
    const int QueueLimit = 400;

    readonly Clock _clock = new();
    OverloadDetector _detector = null!;

    [SetUp]
    public void SetUp() => _detector = new OverloadDetector(QueueLimit, TimeSpan.FromSeconds(1), _clock);

    [Test]
    public void Should_report_overload_after_five_seconds_at_the_limit() =>
        Assert.That(Evaluate(6, _ => QueueLimit, anyFinished: true, anyRejected: false),
            Is.EqualTo(new[] { false, false, false, false, false, true }));

    [Test]
    public void Should_keep_its_start_during_a_dip_to_half_of_the_limit() =>
        Assert.That(Evaluate(6, i => i == 3 ? QueueLimit / 2 : QueueLimit, anyFinished: true, anyRejected: false),
            Is.EqualTo(new[] { false, false, false, false, false, true }));

    [Test]
    public void Should_report_no_overload_below_the_limit() =>
        Assert.That(Evaluate(20, i => i == 0 ? QueueLimit : QueueLimit - 1, anyFinished: true, anyRejected: false),
            Has.None.True);

    [Test]
    public void Should_report_no_overload_for_bursts() =>
        Assert.That(
            Evaluate(20, i => i % 5 == 4 ? QueueLimit / 2 - 1 : 3 * QueueLimit, anyFinished: true, anyRejected: false),
            Has.None.True);

    [Test]
    public void Should_report_no_overload_during_an_outage()
    {
        Assert.That(Evaluate(20, _ => 3 * QueueLimit, anyFinished: false, anyRejected: true), Has.None.True);
        Evaluate(6, _ => 3 * QueueLimit, anyFinished: true, anyRejected: true);
        Assert.That(Evaluate(3, _ => 3 * QueueLimit, anyFinished: false, anyRejected: true),
            Is.EqualTo(new[] { true, false, false }), "no order has finished for two seconds");
    }

    [Test]
    public void Should_report_overload_until_no_call_is_rejected()
    {
        Evaluate(6, _ => QueueLimit, anyFinished: true, anyRejected: true);
        Assert.That(Evaluate(20, _ => QueueLimit / 4, anyFinished: true, anyRejected: true), Has.All.True,
            "the queue is short because calls are rejected");
        Assert.That(Evaluate(2, _ => QueueLimit / 4, anyFinished: true, anyRejected: false),
            Is.EqualTo(new[] { false, false }));
    }

    /// <summary>Evaluates one snapshot per second.</summary>
    bool[] Evaluate(int count, Func<int, int> open, bool anyFinished, bool anyRejected) =>
    [
        .. Enumerable.Range(0, count).Select(i =>
        {
            var isOverloaded = _detector.IsOverloaded(open(i), anyFinished, anyRejected);
            _clock.Seconds++;
            return isOverloaded;
        }),
    ];

    sealed class Clock : TimeProvider
    {
        public long Seconds { get; set; } = 1000;
        public override long TimestampFrequency => 1;
        public override long GetTimestamp() => Seconds;
    }
}
