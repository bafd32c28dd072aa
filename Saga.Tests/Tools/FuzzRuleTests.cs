using System.Text;
using Google.Rpc;
using Grpc.Core;
using Saga.Fuzz;
using Status = Google.Rpc.Status;

namespace Saga.Tests.Tools;

[TestFixture, Category("Unit")]
public sealed class When_the_response_to_a_fuzzed_call_is_judged
{
    static readonly FuzzMethod Method = FuzzMethod.All.Single(x => x.Name == "GetOrder");

    static readonly ErrorInfo Info = new() { Domain = "ordersaga", Reason = "SOME_REASON" };

    static IEnumerable<TestCaseData> Faults()
    {
        static TestCaseData Case(string name, FuzzResponse response, Damage damage = Damage.None) =>
            new TestCaseData(response, damage).SetName($"A fault: {name}");
        yield return Case("INTERNAL", Grpc(StatusCode.Internal, Info));
        yield return Case("UNKNOWN", Grpc(StatusCode.Unknown, Info), Damage.Body);
        yield return Case("DATA_LOSS", Grpc(StatusCode.DataLoss, Info));
        yield return Case("UNAVAILABLE", Grpc(StatusCode.Unavailable, Info));
        yield return Case("UNIMPLEMENTED", Grpc(StatusCode.Unimplemented, Info), Damage.Frame);
        yield return Case("an error without ErrorInfo", Grpc(StatusCode.NotFound));
        yield return Case("INVALID_ARGUMENT without fields", Grpc(StatusCode.InvalidArgument, Info), Damage.Body);
        yield return Case("INVALID_ARGUMENT with an empty field", Invalid(""), Damage.Body);
        yield return Case("INVALID_ARGUMENT with a field that the request does not have", Invalid("oder_id"));
        yield return Case("INVALID_ARGUMENT that blames the whole request for a value", Invalid("request"),
            Damage.Values);
        yield return Case("the name of a .NET type", Grpc(StatusCode.NotFound, Info, "System.Guid"));
        yield return Case("HTTP 500", new FuzzResponse { Http = 500 });
        yield return Case("HTTP 400 without an error", Http(400, "bad"), Damage.Target);
        yield return Case("no status", new FuzzResponse { Http = 200 });
        yield return Case("no response", new FuzzResponse { Failure = "reset" });
        yield return Case("a reset of the stream of a good request", new FuzzResponse { Failure = "PROTOCOL_ERROR" });
    }

    [TestCaseSource(nameof(Faults))]
    public void Should_find_the_fault(object response, object damage) => Assert.That(
        ResponseRules.FindFault(Call((Damage)damage), (FuzzResponse)response), Is.Not.Null);

    static IEnumerable<TestCaseData> Responses()
    {
        static TestCaseData Case(string name, FuzzResponse response, Damage damage = Damage.None) =>
            new TestCaseData(response, damage).SetName($"No fault: {name}");
        yield return Case("OK", new FuzzResponse { Http = 200, Code = StatusCode.OK });
        yield return Case("NOT_FOUND", Grpc(StatusCode.NotFound, Info));
        yield return Case("INVALID_ARGUMENT with a field", Invalid("order_id"), Damage.Values);
        yield return Case("INVALID_ARGUMENT for bytes that are no message", Invalid("request"), Damage.Body);
        yield return Case("a path that is not one of HTTP", new FuzzResponse { Failure = "PROTOCOL_ERROR" },
            Damage.Target);
        yield return Case("a call that its client has given up", new FuzzResponse { IsAborted = true });
    }

    [TestCaseSource(nameof(Responses))]
    public void Should_find_no_fault(object response, object damage) => Assert.That(
        ResponseRules.FindFault(Call((Damage)damage), (FuzzResponse)response), Is.Null);

    [TestCase(100, false), TestCase(9000, true)]
    public void Should_accept_a_closed_connection_only_after_a_first_line_beyond_the_limit(int length, bool accepts)
    {
        var call = Call(Damage.Target) with { IsHttp2 = false, Target = new string('x', length) };
        var response = new FuzzResponse { Failure = "An error occurred while sending the request. Broken pipe" };
        Assert.That(ResponseRules.FindFault(call, response), accepts ? Is.Null : Is.Not.Null);
    }

    static FuzzCall Call(Damage damage) => new(1, Method, "alice", IsGrpc: true)
    {
        Damage = damage,
        IsHttp2 = true,
        Verb = "POST",
        Target = Method.GrpcPath,
    };

    static FuzzResponse Invalid(string field) => Grpc(StatusCode.InvalidArgument, Info, "", new BadRequest
    {
        FieldViolations = { new BadRequest.Types.FieldViolation { Field = field, Description = "is bad" } },
    });

    static FuzzResponse Grpc(StatusCode code, ErrorInfo? info = null, string message = "",
        BadRequest? fields = null)
    {
        var error = new Status { Code = (int)code, Message = message };
        if (info != null)
            error.Details.Add(Google.Protobuf.WellKnownTypes.Any.Pack(info));
        if (fields != null)
            error.Details.Add(Google.Protobuf.WellKnownTypes.Any.Pack(fields));
        return new FuzzResponse { Http = 200, Code = code, Error = error };
    }

    static FuzzResponse Http(int status, string body) =>
        new() { Http = status, Body = Encoding.UTF8.GetBytes(body) };
}
