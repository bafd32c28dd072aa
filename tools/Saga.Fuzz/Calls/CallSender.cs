using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Grpc.Core;
using Saga.Services;
using Status = Google.Rpc.Status;

namespace Saga.Fuzz;

/// <summary>
/// Sends calls as they are: a client of gRPC or of HTTP would correct requests, and replace what the service answers.
/// </summary>
sealed class CallSender : IDisposable
{
    const int MaxConnections = 16;
    const int MaxKept = 64 * 1024; // bytes of a response

    static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(30);

    static readonly UriCreationOptions AsItIs = new() { DangerousDisablePathAndQueryCanonicalization = true };

    static readonly JsonParser Json = new(JsonParser.Settings.Default.WithTypeRegistry(
        TypeRegistry.FromFiles(ErrorDetailsReflection.Descriptor)));

    readonly OrderSystem _system;
    readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        UseCookies = false,
        MaxConnectionsPerServer = MaxConnections,
        ActivityHeadersPropagator = null,
        RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8,
    })
    { Timeout = Timeout.InfiniteTimeSpan };

    public CallSender(OrderSystem system) => _system = system;

    /// <summary>Sends a call and reads the whole response.</summary>
    public async Task<FuzzResponse> SendAsync(FuzzCall call, CancellationToken cancellationToken)
    {
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(call.AbortAfter ?? MaxTime);
        using var request = ToHttp(call);
        try
        {
            using var response = await _http.SendAsync(
                request, HttpCompletionOption.ResponseHeadersRead, limited.Token);
            var body = await ReadAsync(response.Content, limited.Token);
            return call.IsGrpc ? OfGrpc(response, body) : OfJson(response, body);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return call.AbortAfter == null
                ? new FuzzResponse { Failure = $"the call did not end within {MaxTime.TotalSeconds} s" }
                : new FuzzResponse { IsAborted = true };
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return new FuzzResponse { Failure = $"{e.Message} {e.GetBaseException().Message}" };
        }
    }

    HttpRequestMessage ToHttp(FuzzCall call)
    {
        var replica = (call.Method.IsOfOrder ? _system.Orders : _system.Accounts)[0];
        var server = call.IsHttp2 ? replica.GrpcAddress : replica.HttpAddress;
        var request = new HttpRequestMessage(new HttpMethod(call.Verb),
            new Uri($"{server.GetLeftPart(UriPartial.Authority)}{call.Target}", AsItIs))
        {
            Version = call.IsHttp2 ? HttpVersion.Version20 : HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = call.Body == null ? null : new ByteArrayContent(call.Body),
        };
        if (call.ContentType is { Length: > 0 } type)
            request.Content?.Headers.TryAddWithoutValidation("content-type", type);
        foreach (var (name, value) in call.Headers)
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content?.Headers.TryAddWithoutValidation(name, value);
        return request;
    }

    static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        await using var stream = await content.ReadAsStreamAsync(cancellationToken);
        var buffer = new byte[4096];
        for (var length = 0; ;)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(length), cancellationToken);
            if (read == 0)
                return buffer.AsMemory(0, length);
            length += read;
            if (length < buffer.Length)
                continue;
            if (length < MaxKept)
                Array.Resize(ref buffer, 2 * length);
            else
                length = MaxKept / 2; // the rest is read, but not kept
        }
    }

    static FuzzResponse OfGrpc(HttpResponseMessage response, ReadOnlyMemory<byte> body)
    {
        if (!response.IsSuccessStatusCode && body.Length > 0)
            return OfJson(response, body); // of a call that does not look like one of gRPC
        var details = Header(response, "grpc-status-details-bin");
        return new FuzzResponse
        {
            Http = (int)response.StatusCode,
            Code = CodeOf(response),
            Error = details == null ? null : Status.Parser.ParseFrom(
                Convert.FromBase64String(details.PadRight((details.Length + 3) / 4 * 4, '='))),
            Body = body,
        };
    }

    static StatusCode? CodeOf(HttpResponseMessage response) =>
        int.TryParse(Header(response, "grpc-status"), out var code) ? (StatusCode)code : null;

    static string? Header(HttpResponseMessage response, string name) =>
        Find(response.Headers, name) ?? Find(response.TrailingHeaders, name);

    static string? Find(HttpResponseHeaders headers, string name) =>
        headers.TryGetValues(name, out var values) ? string.Concat(values) : null;

    static FuzzResponse OfJson(HttpResponseMessage response, ReadOnlyMemory<byte> body)
    {
        var error = response.IsSuccessStatusCode || body.IsEmpty ? null : ReadError(body);
        return new FuzzResponse
        {
            Http = (int)response.StatusCode,
            Code = error == null ? CodeOf(response) : (StatusCode)error.Code,
            Error = error,
            Body = body,
        };
    }

    static Status? ReadError(ReadOnlyMemory<byte> body)
    {
        try
        {
            return Json.Parse<Status>(Encoding.UTF8.GetString(body.Span));
        }
        catch (InvalidProtocolBufferException)
        {
            return null; // a violation, which the rules report with the body
        }
    }

    public void Dispose() => _http.Dispose();
}
