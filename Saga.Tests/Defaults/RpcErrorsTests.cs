using System.Text.RegularExpressions;
using Google.Rpc;
using Grpc.Core;
using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Unit")]
public sealed class When_a_call_fails
{
    // The buffer of nginx for the headers of a response, by default. Of these, about 300 bytes are not the error's.
    const int MaxHeaders = 4096 - 300;

    static readonly RpcException[] Errors =
    [
        RpcErrors.InvalidArgument("field", "is bad"),
        RpcErrors.NotFound("order", Guid.NewGuid()),
        RpcErrors.AlreadyExists("REQUEST_ID_REUSED", "request", Guid.NewGuid(), "message"),
        RpcErrors.FailedPrecondition("BALANCE_LIMIT", "accounts/1", "message"),
        RpcErrors.Unavailable("SERVICE_STOPPING", "message", TimeSpan.Zero),
        RpcErrors.ResourceExhausted("TOO_MANY_OPEN_ORDERS", "message", TimeSpan.Zero),
        RpcErrors.Aborted("CONFLICT", "message"),
        RpcErrors.Other(StatusCode.Cancelled, "CALL_CANCELLED", "message"),
    ];

    [TestCase(StatusCode.Unavailable, true)]
    [TestCase(StatusCode.ResourceExhausted, true)]
    [TestCase(StatusCode.Unimplemented, false)]
    public void Should_say_when_to_retry_if_that_can_help(StatusCode code, bool canHelp) => Assert.That(
        RpcErrors.Other(code, "REASON", "message").GetRpcStatus()!.GetDetail<RetryInfo>()?.RetryDelay.Seconds,
        Is.EqualTo(canHelp ? 1 : (long?)null));

    [TestCaseSource(nameof(Errors))]
    public void Should_give_a_reason_that_programs_can_read(RpcException error)
    {
        var info = error.GetRpcStatus()!.GetDetail<ErrorInfo>()!;
        Assert.That(info.Domain, Is.Not.Empty);
        Assert.That(info.Reason, Does.Match("^[A-Z][A-Z0-9_]{1,61}[A-Z0-9]$"), "the form of AIP-193");
        Assert.That(info.Metadata.Keys.Where(x => !Regex.IsMatch(x, "^[a-z][a-zA-Z0-9-_]{1,63}$")), Is.Empty);
    }

    [Test]
    public void Should_fit_the_headers_that_proxies_accept()
    {
        var violations = new FieldViolations();
        for (var i = 0; i < 100; i++)
            violations.Add($"items[{i}].unit_price.currency_code", new string('x', 100));
        var error = Assert.Throws<RpcException>(violations.ThrowIfAny)!;
        var details = error.Trailers.Single(x => x.Key == "grpc-status-details-bin").ValueBytes.Length;
        Assert.That(error.Status.Detail.Length + details * 4 / 3, Is.LessThan(MaxHeaders));
        Assert.That(error.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations[^1].Description,
            Is.EqualTo("has 90 more bad fields"));
    }
}
