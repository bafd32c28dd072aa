using Google.Rpc;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Service.Defaults;

/// <summary>
/// Answers calls that fail before their method runs, as their client expects: by gRPC, or by HTTP/JSON.
/// </summary>
static class RpcErrorResponse
{
    /// <summary>Writes an error; the response has not started.</summary>
    public static async Task WriteAsync(HttpContext context, RpcException error)
    {
        RpcStatus.Set(context, error.StatusCode);
        if (GrpcErrorFilter.IsGrpc(context.Request))
        {
            if (await GrpcRequestBody.DiscardAsync(context))
                GrpcErrorFilter.Write(context.Response, error);
            return;
        }

        var status = error.StatusCode switch
        {
            StatusCode.InvalidArgument => StatusCodes.Status400BadRequest,
            StatusCode.Unauthenticated => StatusCodes.Status401Unauthorized,
            StatusCode.PermissionDenied => StatusCodes.Status403Forbidden,
            StatusCode.ResourceExhausted => StatusCodes.Status429TooManyRequests,
            _ => StatusCodes.Status503ServiceUnavailable,
        };
        if (status == StatusCodes.Status401Unauthorized)
            context.Response.Headers[HeaderNames.WWWAuthenticate] = "Bearer";
        AddRetryAfter(context, error);
        await JsonErrors.WriteAsync(context, status, error);
    }

    /// <summary>HTTP/JSON clients and proxies read the delay of <c>RetryInfo</c> from the header Retry-After.</summary>
    public static void AddRetryAfter(HttpContext context, RpcException error)
    {
        if (!GrpcErrorFilter.IsGrpc(context.Request) && !context.Response.HasStarted
            && error.GetRpcStatus()?.GetDetail<RetryInfo>() is { } retry)
            context.Response.Headers.RetryAfter = $"{Math.Ceiling(retry.RetryDelay.ToTimeSpan().TotalSeconds):F0}";
    }
}
