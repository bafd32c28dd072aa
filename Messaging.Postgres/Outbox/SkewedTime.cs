using System.Globalization;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// A clock that is off, for an attack: by the environment variable <c>ORDERSAGA_CLOCK_OFFSET</c> (a time span) when the
/// process starts. Without it, the system's clock itself.
/// </summary>
sealed class SkewedTime(TimeSpan offset) : TimeProvider
{
    public static TimeProvider OrSystem { get; } = Environment.GetEnvironmentVariable("ORDERSAGA_CLOCK_OFFSET") is { Length: > 0 } offset
        ? new SkewedTime(TimeSpan.Parse(offset, CultureInfo.InvariantCulture)) : System;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + offset;
}
