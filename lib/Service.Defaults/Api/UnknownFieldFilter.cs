using System.Net.Mime;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Grpc.JsonTranscoding;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Service.Defaults;

/// <summary>
/// Rejects JSON requests with unknown fields, as the protobuf specification demands. ASP.NET's transcoding ignores such
/// fields: a request with a misspelled <c>request_id</c> would have none, and its retry would run twice.
/// </summary>
public static class UnknownFieldFilter
{
    /// <summary>The types of error details, for JSON.</summary>
    internal static readonly TypeRegistry ErrorTypes = TypeRegistry.FromFiles(ErrorDetailsReflection.Descriptor);

    const int MaxBodySize = 4 * 1024 * 1024; // bytes; the limit of gRPC messages
    const int MaxReasonLength = 200; // characters; the reason can quote the request

    static readonly JsonFormatter ErrorFormatter = new(JsonFormatter.Settings.Default.WithTypeRegistry(ErrorTypes));

    /// <summary>Adds the filter to all methods of these endpoints whose HTTP body is the request message.</summary>
    public static void RejectUnknownFields(this IEndpointConventionBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        endpoints.Add(endpoint =>
        {
            var method = endpoint.Metadata.OfType<GrpcJsonTranscodingMetadata>().SingleOrDefault();
            if (method is not { HttpRule.Body: "*" } || endpoint.RequestDelegate is not { } next)
                return;
            endpoint.Metadata.Add(new RequestSizeLimitAttribute(MaxBodySize));
            endpoint.RequestDelegate = context => HandleAsync(context, method.MethodDescriptor.InputType, next);
        });
    }

    static async Task HandleAsync(HttpContext context, MessageDescriptor type, RequestDelegate next)
    {
        using var body = new MemoryStream();
        try
        {
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            body.Position = 0;
            using var reader = new StreamReader(body, leaveOpen: true); // JSON is UTF-8 (RFC 8259)
            if (body.Length > 0) // the transcoding itself rejects an empty body
                JsonParser.Default.Parse(reader, type);
        }
        catch (IOException e) when (e is InvalidProtocolBufferException or InvalidJsonException
            or BadHttpRequestException)
        {
            await RejectAsync(context, e);
            return;
        }

        body.Position = 0;
        context.Request.Body = body;
        await next(context);
    }

    static Task RejectAsync(HttpContext context, IOException reason)
    {
        var violations = new BadRequest();
        violations.FieldViolations.Add(new BadRequest.Types.FieldViolation
        {
            Field = "request",
            Description = string.Concat(reason.Message.EnumerateRunes().Take(MaxReasonLength)),
        });
        var json = ErrorFormatter.Format(RpcErrors.InvalidArgument(violations).GetRpcStatus());
        context.Response.StatusCode = (reason as BadHttpRequestException)?.StatusCode
            ?? StatusCodes.Status400BadRequest;
        context.Response.ContentType = MediaTypeNames.Application.Json;
        return context.Response.WriteAsync(json, Encoding.UTF8, context.RequestAborted);
    }
}
