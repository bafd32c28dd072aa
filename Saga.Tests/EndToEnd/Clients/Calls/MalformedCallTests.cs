using System.IO.Compression;
using System.Net;
using System.Text;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Orders.V1;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

[TestFixture, Category("E2E")]
public sealed class When_a_call_cannot_be_read : SystemFixture
{
    const string Method = "/orders.v1.OrderService/GetOrder";

    static readonly byte[] Request = new GetOrderRequest { OrderId = $"{Guid.NewGuid()}" }.ToByteArray();

    readonly HashSet<(string Path, int Code, string Message)> _logged = [];

    static IEnumerable<TestCaseData> Calls()
    {
        static TestCaseData Case(string name, string path, byte[] body, StatusCode status, string reason,
            string? encoding = null) => new TestCaseData(path, body, status, reason, encoding).SetName(name);
        yield return Case("bytes that are no message", Method, RawCall.Frame([0xFF, 0xFF, 0xFF]),
            StatusCode.InvalidArgument, "MALFORMED_MESSAGE");
        yield return Case("a message that ends too early", Method, RawCall.Frame(Request[..^1]),
            StatusCode.InvalidArgument, "MALFORMED_MESSAGE");
        yield return Case("text that is not UTF-8", Method, RawCall.Frame([0x0A, 2, 0xC3, 0x28]),
            StatusCode.InvalidArgument, "MALFORMED_MESSAGE");
        yield return Case("a frame that ends too early", Method, RawCall.Frame(Request)[..^1],
            StatusCode.InvalidArgument, "MALFORMED_MESSAGE");
        yield return Case("a frame of more than 2 GiB", Method, [0, 0x80, 0, 0, 1, .. Request],
            StatusCode.InvalidArgument, "MALFORMED_MESSAGE");
        yield return Case("half of a frame's header", Method, [0, 0], StatusCode.InvalidArgument, "MALFORMED_MESSAGE");
        yield return Case("no frame", Method, [], StatusCode.InvalidArgument, "MALFORMED_MESSAGE");
        yield return Case("two messages", Method, [.. RawCall.Frame(Request), .. RawCall.Frame(Request)],
            StatusCode.InvalidArgument, "MALFORMED_MESSAGE");
        yield return Case("an unknown flag", Method, RawCall.Frame(Request, flag: 7),
            StatusCode.InvalidArgument, "MALFORMED_MESSAGE");
        yield return Case("bad gzip", Method, RawCall.Frame(Request, flag: 1),
            StatusCode.InvalidArgument, "MALFORMED_MESSAGE", "gzip");
        yield return Case("a message that is too large when it is decompressed", Method,
            RawCall.Frame(Gzip(new byte[1_000_000]), flag: 1),
            StatusCode.ResourceExhausted, "MESSAGE_TOO_LARGE", "gzip");
        yield return Case("an unknown compression", Method, RawCall.Frame(Request, flag: 1),
            StatusCode.Unimplemented, "UNSUPPORTED_COMPRESSION", "zstd");
        yield return Case("a message that is too large", Method, RawCall.Frame(new byte[525_000]),
            StatusCode.ResourceExhausted, "MESSAGE_TOO_LARGE");
        yield return Case("an unknown method", "/orders.v1.OrderService/ShipOrder", RawCall.Frame(Request),
            StatusCode.Unimplemented, "UNKNOWN_METHOD");
        yield return Case("an unknown service", "/orders.v9.OrderService/GetOrder", RawCall.Frame(Request),
            StatusCode.Unimplemented, "UNKNOWN_METHOD");
        yield return Case("a stream's bytes that are no message", "/orders.v1.OrderService/WatchOrder",
            RawCall.Frame([0xFF, 0xFF, 0xFF]), StatusCode.InvalidArgument, "MALFORMED_MESSAGE");
    }

    static byte[] Gzip(byte[] message)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest))
            gzip.Write(message);
        return compressed.ToArray();
    }

    [TestCaseSource(nameof(Calls))]
    public async Task Should_reject_it_with_details_and_one_line_in_the_log(
        string path, byte[] body, StatusCode status, string reason, string? encoding)
    {
        var logged = new FileInfo(System.Orders[0].LogFile).Length;
        using var response = await RawCall.SendAsync(System.Orders[0].GrpcAddress, path, body,
            encoding == null ? [] : [("grpc-encoding", encoding)]);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        var (code, error) = RawCall.ReadError(response.Headers);
        Assert.That(code, Is.EqualTo((int)status));
        Assert.That(error.GetDetail<ErrorInfo>()!.Reason, Is.EqualTo(reason));
        if (status == StatusCode.InvalidArgument)
            Assert.That(error.GetDetail<BadRequest>()!.FieldViolations[0].Field, Is.EqualTo("request"));

        const string line = "was rejected with";
        if (_logged.Add((path, code, error.Message))) // the same error is logged once a minute
            await Wait.UntilAsync(() => Task.FromResult(Log(logged).Contains(line, StringComparison.Ordinal)),
                MaxWait, () => "a line in the log");
        Assert.That(Log(logged), Does.Not.Contain("   at "), "no stack trace");
        Assert.That(Log(logged), Has.Length.LessThan(1000));
    }

    [TestCase("POST", "2.0", "application/json", 415, StatusCode.InvalidArgument, "UNREADABLE_REQUEST")]
    [TestCase("POST", "2.0", "text/plain", 415, StatusCode.InvalidArgument, "UNREADABLE_REQUEST")]
    [TestCase("POST", "1.1", "application/grpc", 426, StatusCode.InvalidArgument, "UNREADABLE_REQUEST")]
    [TestCase("DELETE", "2.0", "application/grpc", 405, StatusCode.Unimplemented, "VERB_NOT_ALLOWED")]
    public async Task Should_reject_what_is_no_call_of_grpc_with_details(
        string verb, string version, string contentType, int http, StatusCode status, string reason)
    {
        using var client = BearerCredentials.NewHttpClient(
            version == "2.0" ? System.Orders[0].GrpcAddress : System.Orders[0].HttpAddress);
        using var request = new HttpRequestMessage(new HttpMethod(verb), Method)
        {
            Version = Version.Parse(version),
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(RawCall.Frame(Request)) { Headers = { ContentType = new(contentType) } },
        };
        using var response = await client.SendAsync(request);

        var isGrpc = contentType.StartsWith("application/grpc", StringComparison.Ordinal);
        Assert.That((int)response.StatusCode, Is.EqualTo(http));
        Assert.That(response.Headers.Contains("grpc-status"), Is.EqualTo(isGrpc));
        var (code, error) = isGrpc ? RawCall.ReadError(response.Headers)
            : RawCall.ReadJsonError(await response.Content.ReadAsStringAsync());
        Assert.That(code, Is.EqualTo((int)status));
        Assert.That(error.GetDetail<ErrorInfo>()!.Reason, Is.EqualTo(reason));
    }

    [Test]
    public async Task Should_count_none_as_a_fault_of_the_service()
    {
        await RawCall.SendAsync(System.Accounts[0].GrpcAddress, "/accounts.v1.AccountService/GetAccount", [0, 0]);
        using var http = System.Accounts[0].NewHttpClient();
        using var text = await http.PostAsync("/v1/accounts", new StringContent("{}", Encoding.UTF8, "text/plain"));
        Assert.That(text.StatusCode, Is.EqualTo(HttpStatusCode.UnsupportedMediaType));

        var calls = (await Scrape.ReadAsync(System.Accounts[0])).All
            .Where(x => x.Name == "rpc_server_call_duration_seconds_count" && x.Value > 0)
            .Select(x => $"{x.Labels["rpc_method"]} {x.Labels["rpc_response_status_code"]}");
        Assert.That(calls, Is.SupersetOf(new[]
        {
            "accounts.v1.AccountService/GetAccount INVALID_ARGUMENT",
            "accounts.v1.AccountService/OpenAccount INVALID_ARGUMENT",
        }).And.None.EndsWith("INTERNAL").And.None.EndsWith("UNKNOWN"), "operators are alarmed by these");
    }

    /// <summary>What the service has logged since its log had this length.</summary>
    string Log(long since) => File.ReadAllText(System.Orders[0].LogFile)[(int)since..];
}
