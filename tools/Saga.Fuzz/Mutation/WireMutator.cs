using System.Buffers.Binary;
using System.IO.Compression;
using Google.Protobuf;

namespace Saga.Fuzz;

/// <summary>Damages the bytes of messages and of their frames.</summary>
static class WireMutator
{
    const int HeaderSize = 5; // of a frame: a flag, and the length in four bytes
    const int Bomb = 8_000_000; // bytes, twice the limit of a message
    const int BombIsRare = 50;

    /// <summary>Puts a message in a frame.</summary>
    public static byte[] Frame(ReadOnlySpan<byte> message, byte flag = 0)
    {
        var frame = new byte[HeaderSize + message.Length];
        frame[0] = flag;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Length);
        message.CopyTo(frame.AsSpan(HeaderSize));
        return frame;
    }

    /// <summary>Returns bytes that differ from those of the message.</summary>
    public static byte[] Mutate(byte[] message, Random random)
    {
        var mutant = message;
        do
            for (var i = random.Next(1, 3); i > 0; i--)
                mutant = MutateOnce(mutant, random);
        while (mutant.AsSpan().SequenceEqual(message));
        return mutant;
    }

    static byte[] MutateOnce(byte[] bytes, Random random)
    {
        var place = random.Next(bytes.Length + 1);
        return random.Next(11) switch
        {
            0 when bytes.Length > 0 => Flip(bytes, random),
            1 => bytes[..place],
            2 => [.. bytes[..place], .. Noise(random), .. bytes[place..]],
            3 => [.. bytes[..place], .. bytes[random.Next(place + 1)..]],
            4 => [.. bytes, .. UnknownField(random)],
            5 => [.. bytes, .. Text(random.Next(1, 8), 0xC3, 0x28)], // not UTF-8
            6 => [.. bytes, .. WrongType(random)],
            7 => Nest(bytes, random.Next(1, 8), random.Next(2) == 0 ? 90 : 300),
            8 => [.. bytes, .. Enumerable.Repeat((byte)0x0B, random.Next(1, 300))], // groups that do not end
            9 => [.. bytes, (byte)(random.Next(1, 8) << 3), .. Enumerable.Repeat((byte)0xFF, random.Next(1, 12))],
            _ => [.. bytes, (byte)((random.Next(1, 8) << 3) | 2), 0xFF, 0xFF, 0xFF, 0xFF, (byte)random.Next(16)],
        };
    }

    static byte[] Flip(byte[] bytes, Random random)
    {
        var flipped = (byte[])bytes.Clone();
        flipped[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
        return flipped;
    }

    static byte[] Noise(Random random)
    {
        var noise = new byte[random.Next(1, 20)];
        random.NextBytes(noise);
        return noise;
    }

    static byte[] Text(int field, params byte[] bytes) =>
        [(byte)((field << 3) | 2), (byte)bytes.Length, .. bytes];

    /// <summary>A field with one of the known numbers, and another type.</summary>
    static byte[] WrongType(Random random)
    {
        var field = random.Next(1, 8) << 3;
        return random.Next(4) switch
        {
            0 => [(byte)field, (byte)random.Next(128)],
            1 => [(byte)(field | 1), .. new byte[8]],
            2 => [(byte)(field | 2), 3, .. "abc"u8],
            _ => [(byte)(field | 5), .. new byte[4]],
        };
    }

    static byte[] UnknownField(Random random)
    {
        using var buffer = new MemoryStream();
        using (var output = new CodedOutputStream(buffer, leaveOpen: true))
        {
            output.WriteTag(random.Next(100, 536_870_911), WireFormat.WireType.LengthDelimited);
            output.WriteBytes(ByteString.CopyFrom(Noise(random)));
        }

        return buffer.ToArray();
    }

    /// <summary>The message inside a field, inside a field, and so on.</summary>
    static byte[] Nest(byte[] bytes, int field, int depth)
    {
        for (var i = 0; i < depth; i++)
        {
            using var buffer = new MemoryStream();
            using (var output = new CodedOutputStream(buffer, leaveOpen: true))
            {
                output.WriteTag(field, WireFormat.WireType.LengthDelimited);
                output.WriteBytes(ByteString.CopyFrom(bytes));
            }

            bytes = buffer.ToArray();
        }

        return bytes;
    }

    /// <summary>Returns a frame that is not the frame of the message.</summary>
    /// <returns>The body, and the header grpc-encoding; null for none.</returns>
    public static (byte[] Body, string? Encoding) MutateFrame(byte[] message, Random random)
    {
        var valid = Frame(message);
        (byte[] Body, string? Encoding) mutant;
        do
            mutant = MutateFrameOnce(message, random);
        while (mutant.Body.AsSpan().SequenceEqual(valid));
        return mutant;
    }

    static (byte[] Body, string? Encoding) MutateFrameOnce(byte[] message, Random random)
    {
        var frame = Frame(message);
        switch (random.Next(11))
        {
            case 0:
                return ([], null);
            case 1:
                return (frame[..random.Next(frame.Length)], null);
            case 2:
                return ([.. frame, .. frame], null);
            case 3:
                return ([.. frame, (byte)random.Next(256)], null);
            case 4:
                return (Frame(message, (byte)random.Next(1, 256)), null);
            case 5:
                BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), (int)OddValues.Number(random));
                return (frame, random.Next(2) == 0 ? "identity" : null);
            case 6:
                return (Frame(message, flag: 1), "gzip");
            case 7:
                return (Frame(Compress(message), flag: 1), "gzip");
            case 8:
                return (Frame(message, flag: 1), OddValues.Text(random));
            case 9 when random.Next(BombIsRare) == 0:
                return (Frame(Compress(new byte[Bomb]), flag: 1), "gzip");
            default:
                return (Frame(Compress(message)[..^random.Next(1, 9)], flag: 1), "gzip");
        }
    }

    static byte[] Compress(byte[] bytes)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return compressed.ToArray();
    }
}
