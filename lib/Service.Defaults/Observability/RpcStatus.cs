using System.Text.Json;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Service.Defaults;

/// <summary>Finds out with which gRPC status a call has ended, whatever has ended it.</summary>
static class RpcStatus
{
    static readonly object Key = new();

    static readonly string[] Names = [.. Enumerable.Range(0, (int)StatusCode.Unauthenticated + 1)
        .Select(x => JsonNamingPolicy.SnakeCaseUpper.ConvertName($"{(StatusCode)x}"))];

    /// <summary>The name of a status, such as DEADLINE_EXCEEDED.</summary>
    public static string NameOf(StatusCode code) =>
        (uint)code < Names.Length ? Names[(int)code] : Names[(int)StatusCode.Unknown];

    /// <summary>Remembers the status of a failed call: the response to a JSON client does not have it.</summary>
    public static void Set(HttpContext context, StatusCode code) => context.Items[Key] = code;

    /// <summary>The status of a call that has ended.</summary>
    public static StatusCode Of(HttpContext context)
    {
        var known = context.Items.TryGetValue(Key, out var set) ? (StatusCode?)set : null;
        var isAborted = context.RequestAborted.IsCancellationRequested;
        if (GrpcErrorFilter.IsGrpc(context.Request))
        {
            var sent = Read(context.Features.Get<IHttpResponseTrailersFeature>()?.Trailers)
                ?? Read(context.Response.Headers);
            // gRPC takes a request that its client has broken off for a fault.
            if (sent is { } status && !(isAborted && status is (StatusCode.Unknown or StatusCode.Internal)))
                return status;
            return known ?? (isAborted ? StatusCode.Cancelled : StatusCode.Unknown);
        }

        return known ?? (isAborted ? StatusCode.Cancelled
            : context.Response.StatusCode switch
            {
                < StatusCodes.Status300MultipleChoices => StatusCode.OK,
                StatusCodes.Status400BadRequest => StatusCode.InvalidArgument,
                StatusCodes.Status413PayloadTooLarge => StatusCode.InvalidArgument,
                _ => StatusCode.Unknown,
            });
    }

    static StatusCode? Read(IHeaderDictionary? headers) =>
        headers != null && headers.TryGetValue(GrpcErrorFilter.StatusHeader, out var value)
            && int.TryParse(value, out var code) ? (StatusCode)code : null;
}
