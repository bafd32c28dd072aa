using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Saga.Fuzz;

/// <summary>Values at and beyond the limits of fields.</summary>
static class OddValues
{
    const int HugeText = 300_000;
    const int HugeIsRare = 200;

    const string Id = "01890a5d-ac96-774b-bcce-b302099a8057";

    static readonly long[] Numbers =
    [
        0, 1, -1, 2, 9, 10, 49, 50, 51, 99, 100, 101, 255, 256, 999, 1000, 1001, 65_535, 65_536, 1_000_000, 1_000_001,
        999_999_999, 1_000_000_000, int.MaxValue, int.MinValue, 1L + int.MaxValue, 253_402_300_799, 253_402_300_800,
        -62_135_596_800, -62_135_596_801, 999_999_999_999_999, 1_000_000_000_000_000, long.MaxValue, long.MinValue,
        10_000, 5_000_000, 10_000_000,
    ];

    static readonly string[] Texts =
    [
        "", " ", "\0", "a\0b", "\n", "\u007F", "\u0085", "\u2028", "\uFEFF", "\u202Eabc", "e\u0301", "\U0001F34E",
        "\uD800", "x\uDC00", "\uFFFD", "\uFFFF", "null", "true", "0", "-1", "NaN", "Infinity", "[]", "{}", "\"", "'",
        "\\", "%", "%00", "%s%n", "..", "../../etc/passwd", "//", ":cancel", ":watch", "*", "' or '1'='1", "; drop",
        "${x}", "{{x}}", "<script>", "0x10", "1e400", Id, Id.ToUpperInvariant(), $"{{{Id}}}", $"({Id})", $" {Id}",
        $"{Id} ", $"urn:uuid:{Id}", Id.Replace("-", "", StringComparison.Ordinal), $"0x{Id[2..]}", $"{Id}0", Id[..35],
        "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "01890a5d-ac96-774b-bcce-b302099a805\u0667", "EUR ", "eur", "ZZZ", "XAU", "XTS", "JPY", "BHD", "CLF", "EURO",
        "EU\u0420", "2026-13-01T00:00:00Z", "2026-01-01T00:00:60Z", "0000-01-01T00:00:00Z", "CONFIRMED", "ORDER_STATUS",
    ];

    /// <summary>An odd number.</summary>
    public static long Number(Random random) => Numbers[random.Next(Numbers.Length)] is var odd && random.Next(4) > 0
        ? odd : unchecked(odd + random.Next(-3, 4));

    /// <summary>An odd text.</summary>
    public static string Text(Random random)
    {
        if (random.Next(HugeIsRare) == 0)
            return new string('x', HugeText);
        var text = Texts[random.Next(Texts.Length)];
        return random.Next(5) switch
        {
            0 => string.Concat(Enumerable.Repeat(text == "" ? "y" : text, random.Next(2, 70))),
            1 => new string((char)random.Next(' ', 0x3000), random.Next(60, 70)),
            _ => text,
        };
    }

    /// <summary>An odd value of a field that is neither repeated nor a message.</summary>
    public static object Of(FieldDescriptor field, Random random) => field.FieldType switch
    {
        FieldType.String => Text(random),
        FieldType.Bytes => ByteString.CopyFromUtf8(Text(random)),
        FieldType.Bool => random.Next(2) == 0,
        FieldType.Enum => Enum.ToObject(field.EnumType.ClrType, unchecked((int)Number(random))),
        FieldType.Double => (double)Number(random),
        FieldType.Float => (float)Number(random),
        FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64 => Number(random),
        FieldType.UInt64 or FieldType.Fixed64 => unchecked((ulong)Number(random)),
        FieldType.UInt32 or FieldType.Fixed32 => unchecked((uint)Number(random)),
        _ => unchecked((int)Number(random)),
    };
}
