using Messaging.Postgres;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Unit")]
public sealed class When_an_index_is_scanned_repeatedly
{
    static readonly DateTime Now = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    readonly Clock _clock = new();
    ScanStart _start = null!;

    [SetUp]
    public void Create() => _start = new ScanStart(_clock);

    [Test]
    public async Task Should_begin_shortly_before_the_end_of_the_last_scan()
    {
        Assert.That(await ScanAsync(noneBefore: Now), Is.EqualTo(ScanStart.Beginning));
        Assert.That(await ScanAsync(noneBefore: Now), Is.InRange(Now.AddMinutes(-1), Now.AddSeconds(-1)));
    }

    [Test]
    public async Task Should_begin_at_the_same_place_after_a_scan_that_was_cut_off()
    {
        Assert.That(await ScanAsync(noneBefore: null), Is.EqualTo(ScanStart.Beginning));
        Assert.That(await ScanAsync(noneBefore: null), Is.EqualTo(ScanStart.Beginning));
    }

    [Test]
    public async Task Should_scan_everything_once_a_minute()
    {
        await ScanAsync(noneBefore: Now);
        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.That(await ScanAsync(noneBefore: Now), Is.EqualTo(ScanStart.Beginning));
    }

    [Test]
    public async Task Should_scan_everything_less_often_if_that_takes_long()
    {
        await ScanAsync(noneBefore: Now, duration: TimeSpan.FromSeconds(0.3));
        _clock.Advance(TimeSpan.FromMinutes(4));
        Assert.That(await ScanAsync(noneBefore: Now), Is.Not.EqualTo(ScanStart.Beginning));
        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.That(await ScanAsync(noneBefore: Now), Is.EqualTo(ScanStart.Beginning));
    }

    [Test]
    public async Task Should_scan_everything_after_ten_minutes_however_long_that_takes()
    {
        await ScanAsync(noneBefore: Now, duration: TimeSpan.FromMinutes(1));
        _clock.Advance(TimeSpan.FromMinutes(10));
        Assert.That(await ScanAsync(noneBefore: Now), Is.EqualTo(ScanStart.Beginning));
    }

    Task<DateTime> ScanAsync(DateTime? noneBefore, TimeSpan duration = default) => _start.Scan(from =>
    {
        _clock.Advance(duration);
        return Task.FromResult((from, noneBefore));
    });

    sealed class Clock : TimeProvider
    {
        long _timestamp;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _timestamp;

        public void Advance(TimeSpan time) => _timestamp += time.Ticks;
    }
}
