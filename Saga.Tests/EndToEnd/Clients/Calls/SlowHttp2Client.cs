using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Google.Protobuf;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

/// <summary>
/// An HTTP/2 client (RFC 9113) that sends the headers of many gRPC calls, and their messages only later. As the RFC
/// demands, it sends nothing more for a call that the server has reset.
/// </summary>
sealed class SlowHttp2Client : IAsyncDisposable
{
    const byte Data = 0, Headers = 1, ResetStream = 3, Settings = 4, Ping = 6, GoAway = 7;
    const byte Cancel = 8; // an error code
    const byte EndStream = 1, Acknowledge = 1, EndHeaders = 4;
    const int HeaderSize = 9;

    static readonly TimeSpan Lateness = TimeSpan.FromMilliseconds(100);

    readonly TcpClient _tcp;
    readonly Stream _stream;
    readonly Uri _server;
    Task<byte[]>? _header; // that is being read
    int _nextStream = 1;

    SlowHttp2Client(TcpClient tcp, Stream stream, Uri server) => (_tcp, _stream, _server) = (tcp, stream, server);

    public static async Task<SlowHttp2Client> ConnectAsync(Uri address)
    {
        var tcp = new TcpClient();
        await tcp.ConnectAsync(address.Host, address.Port);
        var client = new SlowHttp2Client(tcp, await OpenAsync(tcp.GetStream(), address), address);
        await client._stream.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());
        await client.SendAsync(Settings, 0, 0, []);
        return client;
    }

    static async Task<Stream> OpenAsync(Stream plain, Uri address)
    {
        if (address.Scheme == Uri.UriSchemeHttp)
            return plain;
        var encrypted = new SslStream(plain);
        await encrypted.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = address.Host,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
        });
        return encrypted;
    }

    /// <summary>Makes calls at the same time, and waits until all have ended.</summary>
    /// <exception cref="IOException">The server has closed the connection.</exception>
    public async Task CallAsync(string path, int calls, IMessage request)
    {
        var open = await BeginAsync(path, calls);
        using var late = new CancellationTokenSource(Lateness);
        while (open.Count > 0 && await ReadAsync(open, late.Token))
        {
        }

        var message = RawCall.Frame(request.ToByteArray());
        foreach (var stream in open)
            await SendAsync(Data, EndStream, stream, message);
        while (open.Count > 0)
            await ReadAsync(open, default);
    }

    /// <summary>Begins calls, and gives them up before their messages are sent.</summary>
    public async Task AbandonAsync(string path, int calls)
    {
        var first = _nextStream;
        await BeginAsync(path, calls);
        await Task.Delay(Lateness);
        for (var stream = first; stream < _nextStream; stream += 2)
            await SendAsync(ResetStream, 0, stream, [0, 0, 0, Cancel]);
    }

    /// <summary>
    /// Makes a call and reads what the server sends, but answers nothing, not even a ping: like a client that is gone
    /// without closing its connection. Returns when the server has closed it.
    /// </summary>
    public async Task CallSilentlyAsync(string path, IMessage request, CancellationToken cancellationToken)
    {
        foreach (var stream in await BeginAsync(path, calls: 1))
            await SendAsync(Data, EndStream, stream, RawCall.Frame(request.ToByteArray()));
        try
        {
            await _stream.CopyToAsync(Stream.Null, cancellationToken);
        }
        catch (IOException)
        {
            // The server has reset the connection.
        }
    }

    /// <summary>Sends the headers of calls, and returns their streams.</summary>
    async Task<HashSet<int>> BeginAsync(string path, int calls)
    {
        var open = new HashSet<int>();
        for (var i = 0; i < calls; i++, _nextStream += 2)
        {
            open.Add(_nextStream);
            await SendAsync(Headers, EndHeaders, _nextStream, Hpack((":method", "POST"),
                (":scheme", _server.Scheme), (":path", path), (":authority", _server.Authority),
                ("content-type", "application/grpc"),
                ("authorization", $"Bearer {BearerCredentials.Default}"), ("te", "trailers")));
        }

        return open;
    }

    /// <summary>Reads a frame, unless the wait for it is cancelled; removes a call that it ends.</summary>
    async Task<bool> ReadAsync(HashSet<int> open, CancellationToken cancellationToken)
    {
        byte[] header;
        try
        {
            // A cancelled wait leaves the header to the next one.
            header = await (_header ??= ReadAsync(HeaderSize)).WaitAsync(cancellationToken);
            _header = null;
        }
        catch (OperationCanceledException)
        {
            return false;
        }

        var payload = await ReadAsync(BinaryPrimitives.ReadInt32BigEndian(header) >> 8);
        var (type, flags, stream) = (header[3], header[4], BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(5)));
        switch (type)
        {
            case GoAway:
                throw new IOException($"the server ends the connection: {Encoding.ASCII.GetString(payload)}");
            case Settings when (flags & Acknowledge) == 0:
                await SendAsync(Settings, Acknowledge, 0, []);
                break;
            case Ping when (flags & Acknowledge) == 0:
                await SendAsync(Ping, Acknowledge, 0, payload);
                break;
            case ResetStream:
            case Headers when (flags & EndStream) != 0:
                open.Remove(stream);
                break;
        }

        return true;
    }

    async Task<byte[]> ReadAsync(int count)
    {
        var bytes = new byte[count];
        await _stream.ReadExactlyAsync(bytes); // throws if the server has closed the connection
        return bytes;
    }

    async Task SendAsync(byte type, byte flags, int stream, byte[] payload)
    {
        var frame = new byte[HeaderSize + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length << 8 | type);
        frame[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame, HeaderSize);
        await _stream.WriteAsync(frame);
    }

    /// <summary>Literal fields without indexing and without Huffman codes (RFC 7541, 6.2.2).</summary>
    static byte[] Hpack(params (string Name, string Value)[] fields) =>
        [.. fields.SelectMany(x => (byte[])[0, .. Text(x.Name), .. Text(x.Value)])];

    /// <summary>
    /// A string without Huffman coding: its length in seven bits, longer ones in more bytes (RFC 7541).
    /// </summary>
    static byte[] Text(string text)
    {
        var bytes = new List<byte> { (byte)Math.Min(text.Length, 127) };
        for (var rest = text.Length - 127; rest >= 0; rest = rest < 128 ? -1 : rest >> 7)
            bytes.Add((byte)(rest < 128 ? rest : (rest & 127) | 128));
        return [.. bytes, .. Encoding.ASCII.GetBytes(text)];
    }

    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync();
        _tcp.Dispose();
    }
}
