using Saga.Attack;

namespace Saga.Tests.Attack;

[TestFixture, Category("Unit")]
public sealed class When_the_timeline_of_an_attack_is_drawn
{
    [Test]
    public void Should_write_a_picture_that_grows_with_the_kinds_of_faults([Values] bool isUnreadable)
    {
        var samples = Enumerable.Range(0, 30).Select(i => isUnreadable || i is > 10 and < 15
            ? new TimelineSample(i, 0, 0, double.NaN, double.NaN, double.NaN, double.NaN)
            : new TimelineSample(i, 100 + i, 100 - i, 3 * i, i, 2 * i, i)).ToList();
        var (none, two) = (Draw(samples, []), Draw(samples,
        [
            new InjectedFault("Order killed", 3, 5, TimeSpan.FromSeconds(1)),
            new InjectedFault("broker: paused", 10, 15, null),
            new InjectedFault("Order killed", 20, 22, TimeSpan.Zero),
        ]));
        Assert.That(none.Width, Is.EqualTo(two.Width));
        Assert.That(two.Height, Is.GreaterThan(none.Height));
    }

    static (int Width, int Height) Draw(IReadOnlyList<TimelineSample> samples, InjectedFault[] faults)
    {
        var file = new FileInfo(Path.Combine(Path.GetTempPath(), $"timeline-{Guid.NewGuid()}.png"));
        try
        {
            TimelineChart.Draw(samples, faults, "attack", file);
            // PNG: a signature of 8 bytes, then the chunk IHDR with the size.
            var bytes = File.ReadAllBytes(file.FullName);
            int Read(int at) => global::System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(at));
            return (Read(16), Read(20));
        }
        finally
        {
            file.Delete();
        }
    }
}
