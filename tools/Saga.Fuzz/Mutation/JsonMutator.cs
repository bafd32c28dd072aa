using System.Text;
using System.Text.Json.Nodes;

namespace Saga.Fuzz;

/// <summary>Damages JSON: its values, its fields, or its text.</summary>
static class JsonMutator
{
    const int HugeDepth = 10_000;
    const int HugeBody = 5_000_000; // bytes, more than the limit
    const int HugeIsRare = 200;

    static readonly string[] Literals =
    [
        "null", "true", "false", "0", "-0", "-1", "1", "1.0", "1.5", "1e3", "1e400", "-1e400", "1e-400", "2147483648",
        "9223372036854775807", "9223372036854775808", "99999999999999999999999999", "\"\"", "\"1\"", "\" 1\"",
        "\"1.0\"", "\"0x1\"", "\"1e3\"", "\"NaN\"", "[]", "{}", "[[]]", "[null]", "{\"a\":1}", "\"\\u0000\"",
        "\"EUR\"", "\"2026-01-01T00:00:00Z\"", "\"2026-01-01T00:00:00.1234567891Z\"",
        "\"9999-12-31T23:59:59+14:00\"", "{\"@type\":1}", "{\"seconds\":1}", "\"PENDING\"",
    ];

    static readonly string[] Texts =
    [
        "", " ", "null", "true", "1", "\"text\"", "[]", "[{}]", "{", "}", "{}{}", "{},", "{\"\":1}", "{\"a\"}",
        "{'a':1}", "{\"a\":NaN}", "{\"a\":1,}", "{/**/}", "{}//", "{\"\\ud800\":1}", "{\"account_id\":\"\\ud800\"}",
        "{\"a\":\"\\x\"}", "{\"a\":01}", "{\"a\":+1}", "{\"a\":.5}", "{\"@type\":\"x\"}", "{\"items\":[null]}",
        "{\"items\":[[]]}", "{\"order_id\":null}", "{\"items\":{\"0\":{}}}", "\u2028{}",
    ];

    /// <summary>Returns a body that differs from the valid one.</summary>
    public static byte[] Mutate(string valid, Random random)
    {
        var original = Encoding.UTF8.GetBytes(valid);
        byte[] mutant;
        do
            mutant = random.Next(3) > 0 ? Encoding.UTF8.GetBytes(MutateValues(valid, random))
                : MutateText(original, random);
        while (mutant.AsSpan().SequenceEqual(original));
        return mutant;
    }

    static string MutateValues(string valid, Random random)
    {
        var root = JsonNode.Parse(valid)!;
        for (var i = random.Next(1, 3); i > 0; i--)
            MutateNode(root, random);
        return root.ToJsonString();
    }

    static void MutateNode(JsonNode node, Random random)
    {
        switch (node)
        {
            case JsonArray { Count: > 0 } array:
                var index = random.Next(array.Count);
                if (array[index] is { } element and not JsonValue && random.Next(3) > 0)
                    MutateNode(element, random);
                else
                    array[index] = Value(random);
                break;
            case JsonArray empty:
                empty.Add(Value(random));
                break;
            case JsonObject { Count: > 0 } fields:
                MutateObject(fields, random);
                break;
            case JsonObject empty:
                empty[Name(random)] = Value(random);
                break;
        }
    }

    static void MutateObject(JsonObject fields, Random random)
    {
        var (name, value) = fields.ElementAt(random.Next(fields.Count));
        if (value is JsonObject or JsonArray && random.Next(4) > 0)
        {
            MutateNode(value, random);
            return;
        }

        switch (random.Next(8))
        {
            case 0:
                fields.Remove(name);
                break;
            case 1:
                fields.Remove(name);
                fields[name.ToUpperInvariant()] = value?.DeepClone();
                break;
            case 2:
                fields[Name(random)] = Value(random);
                break;
            default:
                fields[name] = Value(random);
                break;
        }
    }

    static JsonNode? Value(Random random) => random.Next(3) switch
    {
        0 => JsonNode.Parse(Literals[random.Next(Literals.Length)]),
        1 => JsonNode.Parse(FormattableString.Invariant($"{OddValues.Number(random)}")),
        _ => Whole(OddValues.Text(random)),
    };

    static string Name(Random random) => random.Next(3) == 0 ? Whole(OddValues.Text(random))
        : (string[])["x", "requestid", "__proto__", "account_id", "accountId", "units", "order_id"] is var names
            ? names[random.Next(names.Length)] : "";

    /// <summary>The text without halves of surrogate pairs, which .NET does not write.</summary>
    static string Whole(string text) => string.Concat(text.EnumerateRunes().Select(x => x.ToString()));

    static byte[] MutateText(byte[] json, Random random)
    {
        var place = random.Next(json.Length + 1);
        if (random.Next(HugeIsRare) == 0)
            return [.. json[..1], .. Enumerable.Repeat((byte)' ', HugeBody), .. json[1..]];
        return random.Next(10) switch
        {
            0 => json[..place],
            1 => [.. json[..place], (byte)random.Next(256), .. json[place..]],
            2 => [.. "\uFEFF"u8, .. json],
            3 => Encoding.Unicode.GetBytes(Encoding.UTF8.GetString(json)),
            4 => Twice(json),
            5 => Encoding.UTF8.GetBytes(Nested(random)),
            6 => Many(random.Next(10, 2000)),
            7 when place < json.Length =>
                [.. json[..place], (byte)(json[place] ^ (1 << random.Next(8))), .. json[(place + 1)..]],
            8 => [.. json, .. json],
            _ => Encoding.UTF8.GetBytes(Texts[random.Next(Texts.Length)]),
        };
    }

    /// <summary>The object with each of its fields twice.</summary>
    static byte[] Twice(byte[] json) => [.. json.AsSpan().TrimEnd((byte)' ')[..^1], (byte)',', .. json[1..]];

    static string Nested(Random random)
    {
        var depth = random.Next(2) == 0 ? random.Next(30, 110) : HugeDepth;
        var (open, close) = random.Next(2) == 0 ? ("{\"items\":", "}") : ("[", "]");
        return string.Concat(Enumerable.Repeat(open, depth)) + "1" + string.Concat(Enumerable.Repeat(close, depth));
    }

    static byte[] Many(int count) =>
        Encoding.UTF8.GetBytes($"{{{string.Join(',', Enumerable.Range(0, count).Select(x => $"\"f{x}\":{x}"))}}}");
}
