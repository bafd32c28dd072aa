using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Unit")]
public sealed class When_the_status_of_a_call_is_counted
{
    /// <param name="isAborted">Whether the client has gone.</param>
    /// <param name="sent">The status that gRPC has written.</param>
    /// <param name="known">The status with which the service has ended the call.</param>
    /// <param name="counted">The status that counts.</param>
    [TestCase(true, StatusCode.Unknown, null, StatusCode.Cancelled)]
    [TestCase(true, StatusCode.Internal, null, StatusCode.Cancelled)]
    [TestCase(true, null, null, StatusCode.Cancelled)]
    [TestCase(true, StatusCode.Internal, StatusCode.Internal, StatusCode.Internal)]
    [TestCase(true, StatusCode.NotFound, StatusCode.NotFound, StatusCode.NotFound)]
    [TestCase(true, null, StatusCode.PermissionDenied, StatusCode.PermissionDenied)]
    [TestCase(false, null, StatusCode.PermissionDenied, StatusCode.PermissionDenied)]
    [TestCase(false, StatusCode.Unknown, null, StatusCode.Unknown)]
    [TestCase(false, StatusCode.Internal, null, StatusCode.Internal)]
    [TestCase(false, StatusCode.OK, null, StatusCode.OK)]
    [TestCase(false, null, null, StatusCode.Unknown)]
    public void Should_blame_the_service_only_for_its_own_faults(
        bool isAborted, StatusCode? sent, StatusCode? known, StatusCode counted)
    {
        var context = new DefaultHttpContext { RequestAborted = new CancellationToken(isAborted) };
        context.Request.ContentType = "application/grpc";
        if (sent is { } status)
            context.Response.Headers[GrpcErrorFilter.StatusHeader] = $"{(int)status}";
        if (known is { } set)
            RpcStatus.Set(context, set);
        Assert.That(RpcStatus.Of(context), Is.EqualTo(counted));
    }

    [TestCase(StatusCodes.Status415UnsupportedMediaType)]
    [TestCase(StatusCodes.Status405MethodNotAllowed)]
    public async Task Should_count_an_error_in_json_by_its_own_status(int http)
    {
        var context = new DefaultHttpContext();
        await JsonErrors.WriteAsync(context, http, RpcErrors.InvalidArgument("request", "cannot be read"));
        Assert.That(RpcStatus.Of(context), Is.EqualTo(StatusCode.InvalidArgument));
    }
}
