namespace Saga.Simulation;

/// <summary>A machine's clock that is wrong by a constant.</summary>
sealed class SkewedClock(World world, TimeSpan skew) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => world.Now + skew;
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
    public override long GetTimestamp() => world.Now.Ticks;
}
