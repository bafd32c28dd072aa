using Microsoft.AspNetCore.Http;

namespace Service.Defaults;

/// <summary>
/// Completes the errors of requests whose header <c>Host</c> is not in the setting <c>AllowedHosts</c>. ASP.NET answers
/// them before any other middleware, with 400 and a page for browsers.
/// </summary>
sealed class UnknownHostFilter(RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext context)
    {
        await next(context);
        // Only ASP.NET's filter ends a request before its endpoint is known, without a body.
        if (context.GetEndpoint() != null || context.Response is { HasStarted: true }
            or not { StatusCode: StatusCodes.Status400BadRequest })
            return;
        await RpcErrorResponse.WriteAsync(context, RpcErrors.InvalidArgument("request",
            "must have a header Host that is one of AllowedHosts", GrpcErrorFilter.Unreadable));
    }
}
