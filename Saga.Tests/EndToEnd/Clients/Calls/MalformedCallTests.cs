using System.Net;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Orders.V1;
using Saga.Servers;

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
            StatusCode.Internal, "MALFORMED_MESSAGE");
        yield return Case("half of a frame's header", Method, [0, 0], StatusCode.Internal, "MALFORMED_MESSAGE");
        yield return Case("no frame", Method, [], StatusCode.Internal, "MALFORMED_MESSAGE");
        yield return Case("two messages", Method, [.. RawCall.Frame(Request), .. RawCall.Frame(Request)],
            StatusCode.Internal, "MALFORMED_MESSAGE");
        yield return Case("an unknown flag", Method, RawCall.Frame(Request, flag: 7),
            StatusCode.Internal, "MALFORMED_MESSAGE");
        yield return Case("bad gzip", Method, RawCall.Frame(Request, flag: 1),
            StatusCode.Internal, "MALFORMED_MESSAGE", "gzip");
        yield return Case("an unknown compression", Method, RawCall.Frame(Request, flag: 1),
            StatusCode.Unimplemented, "UNSUPPORTED_COMPRESSION", "zstd");
        yield return Case("a message that is too large", Method, RawCall.Frame(new byte[5_000_000]),
            StatusCode.ResourceExhausted, "MESSAGE_TOO_LARGE");
        yield return Case("an unknown method", "/orders.v1.OrderService/ShipOrder", RawCall.Frame(Request),
            StatusCode.Unimplemented, "UNKNOWN_METHOD");
        yield return Case("an unknown service", "/orders.v9.OrderService/GetOrder", RawCall.Frame(Request),
            StatusCode.Unimplemented, "UNKNOWN_METHOD");
        yield return Case("a stream's bytes that are no message", "/orders.v1.OrderService/WatchOrder",
            RawCall.Frame([0xFF, 0xFF, 0xFF]), StatusCode.InvalidArgument, "MALFORMED_MESSAGE");
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

    /// <summary>What the service has logged since its log had this length.</summary>
    string Log(long since) => File.ReadAllText(System.Orders[0].LogFile)[(int)since..];
}
