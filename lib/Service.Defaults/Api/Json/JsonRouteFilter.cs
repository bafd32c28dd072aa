using Grpc.Core;
using Microsoft.AspNetCore.Grpc.JsonTranscoding;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Service.Defaults;

/// <summary>
/// Rejects HTTP/JSON requests that no method serves: with 405 and <c>Allow</c> if the path has other verbs, otherwise
/// with 404. ASP.NET's routing alone takes <c>GET /v1/orders/ID:cancel</c> for an order with the id <c>ID:cancel</c>.
/// </summary>
sealed class JsonRouteFilter(RequestDelegate next, EndpointDataSource endpoints)
{
    readonly Lazy<JsonRoute[]> _routes = new(() =>
        [.. endpoints.Endpoints.Select(x => x.Metadata.GetMetadata<GrpcJsonTranscodingMetadata>()?.HttpRule)
            .OfType<Google.Api.HttpRule>().Distinct().Select(JsonRoute.Of)]);

    public Task InvokeAsync(HttpContext context)
    {
        var endpoint = context.GetEndpoint();
        var served = endpoint?.Metadata.GetMetadata<GrpcJsonTranscodingMetadata>()?.HttpRule;
        if (GrpcErrorFilter.IsGrpc(context.Request) || (endpoint is RouteEndpoint && served == null))
            return next(context);

        var path = context.Request.Path.Value ?? "";
        var routes = _routes.Value.Where(x => x.Matches(path)).ToArray();
        if (served != null && routes.Any(x => x.Rule.Equals(served)))
            return next(context);
        if (routes.Length == 0)
            return JsonErrors.WriteAsync(context, StatusCodes.Status404NotFound, RpcErrors.Other(
                StatusCode.NotFound, "UNKNOWN_PATH", "the API has no such path"));

        var allowed = string.Join(", ", routes.Select(x => x.Verb).Distinct().Order());
        context.Response.Headers.Allow = allowed;
        return JsonErrors.WriteAsync(context, StatusCodes.Status405MethodNotAllowed, RpcErrors.Other(
            StatusCode.Unimplemented, "VERB_NOT_ALLOWED", $"this path is called with {allowed}"));
    }
}
