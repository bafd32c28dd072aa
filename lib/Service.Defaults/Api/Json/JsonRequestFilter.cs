using System.Net.Mime;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Grpc.JsonTranscoding;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Net.Http.Headers;

namespace Service.Defaults;

/// <summary>
/// Checks HTTP/JSON requests before ASP.NET's transcoding reads them. The transcoding ignores unknown fields and query
/// parameters: a request with a misspelled <c>request_id</c> would have none, and its retry would run twice.
/// </summary>
public static class JsonRequestFilter
{
    const int MaxBodySize = 4 * 1024 * 1024; // bytes; the limit of gRPC messages

    /// <summary>The types of error details, for JSON.</summary>
    internal static readonly TypeRegistry ErrorTypes = TypeRegistry
        .FromFiles(Google.Rpc.ErrorDetailsReflection.Descriptor);

    static readonly JsonFormatter ErrorFormatter = new(JsonFormatter.Settings.Default.WithTypeRegistry(ErrorTypes));

    /// <summary>Adds the filter to all methods of these endpoints.</summary>
    public static void ValidateJson(this IEndpointConventionBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        endpoints.Add(endpoint =>
        {
            if (endpoint.Metadata.OfType<GrpcJsonTranscodingMetadata>().SingleOrDefault() is not { } method
                || endpoint.RequestDelegate is not { } next)
                return;
            var type = method.MethodDescriptor.InputType;
            var hasBody = method.HttpRule.Body == "*";
            if (hasBody)
                endpoint.Metadata.Add(new RequestSizeLimitAttribute(MaxBodySize));
            endpoint.RequestDelegate = context => HandleAsync(context, type, hasBody, next);
        });
    }

    static async Task HandleAsync(HttpContext context, MessageDescriptor type, bool hasBody, RequestDelegate next)
    {
        try
        {
            var violations = new FieldViolations();
            JsonRequestValidator.CheckQuery(context.Request.Query, type, hasBody, context.Request.RouteValues,
                violations);
            violations.ThrowIfAny();
            if (hasBody)
                context.Request.Body = await ReadBodyAsync(context, type);
        }
        catch (RpcException e)
        {
            await RejectAsync(context, StatusCodes.Status400BadRequest, e);
            return;
        }
        catch (BadHttpRequestException e)
        {
            await RejectAsync(context, e.StatusCode, RpcErrors.InvalidArgument("request", e.Message));
            return;
        }

        await next(context);
    }

    /// <summary>The body in the canonical JSON of its message, which the transcoding reads without surprises.</summary>
    static async Task<Stream> ReadBodyAsync(HttpContext context, MessageDescriptor type)
    {
        if (MediaTypeHeaderValue.TryParse(context.Request.ContentType, out var media) && media.Charset.HasValue
            && !HeaderUtilities.RemoveQuotes(media.Charset).Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            throw new BadHttpRequestException($"the charset must be utf-8, not {media.Charset}",
                StatusCodes.Status415UnsupportedMediaType);
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        var violations = new FieldViolations();
        var message = JsonRequestValidator.ReadBody(body.GetBuffer().AsMemory(0, (int)body.Length), type,
            context.Request.RouteValues, violations);
        violations.ThrowIfAny();
        // The transcoding decodes the body by the charset of the content type.
        context.Request.ContentType = MediaTypeNames.Application.Json;
        return new MemoryStream(Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(message)));
    }

    static Task RejectAsync(HttpContext context, int status, RpcException error)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = MediaTypeNames.Application.Json;
        return context.Response.WriteAsync(ErrorFormatter.Format(error.GetRpcStatus()), Encoding.UTF8,
            context.RequestAborted);
    }
}
