namespace Service.Defaults;

/// <summary>
/// The ids of orders: UUIDs of version 7 (RFC 9562), which begin with the milliseconds of the order's create time.
/// </summary>
public static class OrderId
{
    static readonly long MaxMilliseconds =
        (DateTime.MaxValue - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMillisecond;

    /// <summary>Makes an id.</summary>
    /// <param name="createTime">The order's create time, in UTC.</param>
    public static Guid New(DateTime createTime) => Guid.CreateVersion7(new DateTimeOffset(createTime));

    /// <summary>The smallest id that an order of this time can have.</summary>
    public static Guid First(DateTime createTime) => Make(createTime, 0);

    /// <summary>The greatest id that an order of this time can have.</summary>
    public static Guid Last(DateTime createTime) => Make(createTime, 0xFF);

    /// <summary>The create time of the order with an id, in UTC.</summary>
    public static DateTime TimeOf(Guid orderId)
    {
        Span<byte> bytes = stackalloc byte[16];
        orderId.TryWriteBytes(bytes, bigEndian: true, out _);
        var milliseconds = 0L;
        for (var i = 0; i < 6; i++)
            milliseconds = (milliseconds << 8) | bytes[i];
        // An id of another version can give any time.
        return DateTime.UnixEpoch.AddTicks(Math.Min(milliseconds, MaxMilliseconds) * TimeSpan.TicksPerMillisecond);
    }

    static Guid Make(DateTime createTime, byte rest)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Fill(rest);
        var milliseconds = Math.Max(0, new DateTimeOffset(createTime, TimeSpan.Zero).ToUnixTimeMilliseconds());
        for (var i = 0; i < 6; i++)
            bytes[i] = (byte)(milliseconds >> (8 * (5 - i)));
        return new Guid(bytes, bigEndian: true);
    }
}
