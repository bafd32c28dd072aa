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
            if (method.MethodDescriptor.IsServerStreaming)
                next = StreamUnbuffered(next);
            endpoint.Metadata.Add(new RequestSizeLimitAttribute(ApiExtensions.MaxRequestSize));
            endpoint.RequestDelegate = context => HandleAsync(context, type, hasBody, next);
        });
    }

    /// <summary>Keeps proxies from collecting a stream's lines (a header of nginx, which others know too).</summary>
    static RequestDelegate StreamUnbuffered(RequestDelegate next) => context =>
    {
        context.Response.Headers["X-Accel-Buffering"] = "no";
        return next(context);
    };

    static async Task HandleAsync(HttpContext context, MessageDescriptor type, bool hasBody, RequestDelegate next)
    {
        try
        {
            var violations = new FieldViolations();
            JsonRequestValidator.CheckQuery(context.Request.Query, type, hasBody, context.Request.RouteValues,
                violations);
            violations.ThrowIfAny();
            var body = await ReadBodyAsync(context.Request);
            if (hasBody)
                context.Request.Body = ToCanonical(context, body, type, violations);
            else
                JsonRequestValidator.CheckNoBody(body, type, context.Request.RouteValues, violations);
            violations.ThrowIfAny();
            // The transcoding would decode the body, if there is one, by the charset of the content type.
            context.Request.ContentType = hasBody ? MediaTypeNames.Application.Json : null;
        }
        catch (RpcException e)
        {
            await JsonErrors.WriteAsync(context, StatusCodes.Status400BadRequest, e);
            return;
        }
        catch (BadHttpRequestException e)
        {
            await JsonErrors.WriteAsync(context, e.StatusCode,
                RpcErrors.InvalidArgument("request", $"cannot be read: {e.Message}", GrpcErrorFilter.Unreadable));
            return;
        }

        await next(context);
    }

    /// <summary>The body without a byte order mark, which RFC 8259 allows to ignore.</summary>
    static async Task<ReadOnlyMemory<byte>> ReadBodyAsync(HttpRequest request)
    {
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body, request.HttpContext.RequestAborted);
        var bytes = body.GetBuffer().AsMemory(0, (int)body.Length);
        return bytes.Span.StartsWith(Encoding.UTF8.Preamble) ? bytes[Encoding.UTF8.Preamble.Length..] : bytes;
    }

    /// <summary>
    /// The body in the canonical JSON of its message, which the transcoding reads without surprises. Many clients send
    /// no body for a request that has no fields beside its path, such as a cancellation: it stands for an empty object.
    /// </summary>
    static MemoryStream ToCanonical(
        HttpContext context, ReadOnlyMemory<byte> body, MessageDescriptor type, FieldViolations violations)
    {
        if (body.IsEmpty)
            body = "{}"u8.ToArray();
        else
            CheckContentType(context);
        var message = JsonRequestValidator.ReadBody(body, type, context.Request.RouteValues, violations);
        return new MemoryStream(Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(message)));
    }

    /// <summary>
    /// Accepts JSON in UTF-8 (RFC 8259) without a content coding. A body without a type is read as JSON.
    /// </summary>
    static void CheckContentType(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        var coding = request.Headers.ContentEncoding.ToString();
        if (coding is not "" && !coding.Equals("identity", StringComparison.OrdinalIgnoreCase))
        {
            response.Headers.AcceptEncoding = "identity";
            throw Unsupported($"the content coding {coding} is not supported");
        }

        if (string.IsNullOrEmpty(request.ContentType))
            return;
        response.Headers.Accept = MediaTypeNames.Application.Json;
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
            || !(IsText(type.MediaType, MediaTypeNames.Application.Json) || IsText(type.Suffix, "json")))
            throw Unsupported($"the content type must be {MediaTypeNames.Application.Json}");
        if (type.Parameters.FirstOrDefault(x => IsText(x.Name, "charset") && !IsText(x.GetUnescapedValue(), "utf-8"))
            is { } charset)
            throw Unsupported($"the charset must be utf-8, not {charset.Value}");
        response.Headers.Remove(HeaderNames.Accept);
    }

    static bool IsText(Microsoft.Extensions.Primitives.StringSegment segment, string text) =>
        segment.Equals(text, StringComparison.OrdinalIgnoreCase);

    static BadHttpRequestException Unsupported(string message) =>
        new(message, StatusCodes.Status415UnsupportedMediaType);
}
