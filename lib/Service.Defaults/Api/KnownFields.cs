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
/// JSON requests with fields that there are not are refused, as protobuf has it: the transcoding passes them over, and a request id
/// whose name is mistyped would be none, so that what is tried again is done twice.
/// </summary>
public static class KnownFields
{
    internal static readonly TypeRegistry ErrorTypes = TypeRegistry.FromFiles(ErrorDetailsReflection.Descriptor);

    const int MaxBody = 4 * 1024 * 1024; // bytes: the most that gRPC takes
    const int MaxReason = 200; // characters: it may quote the request

    static readonly JsonFormatter ErrorFormatter = new(JsonFormatter.Settings.Default.WithTypeRegistry(ErrorTypes));

    /// <summary>For all methods of these endpoints whose request is the body.</summary>
    public static void RequireKnownFields(this IEndpointConventionBuilder endpoints) => endpoints.Add(endpoint =>
    {
        if (endpoint.Metadata.OfType<GrpcJsonTranscodingMetadata>().SingleOrDefault() is not { HttpRule.Body: "*" } method || endpoint.RequestDelegate is not { } next)
            return;
        endpoint.Metadata.Add(new RequestSizeLimitAttribute(MaxBody));
        endpoint.RequestDelegate = context => HandleAsync(context, method.MethodDescriptor.InputType, next);
    });

    static async Task HandleAsync(HttpContext context, MessageDescriptor type, RequestDelegate next)
    {
        using var body = new MemoryStream();
        try
        {
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            body.Position = 0;
            using var reader = new StreamReader(body, leaveOpen: true); // JSON is UTF-8 (RFC 8259)
            if (body.Length > 0) // else the transcoding says so
                JsonParser.Default.Parse(reader, type);
        }
        catch (IOException e) when (e is InvalidProtocolBufferException or InvalidJsonException or BadHttpRequestException)
        {
            await RefuseAsync(context, e);
            return;
        }

        body.Position = 0;
        context.Request.Body = body;
        await next(context);
    }

    static Task RefuseAsync(HttpContext context, IOException reason)
    {
        var text = string.Concat(reason.Message.EnumerateRunes().Take(MaxReason));
        var error = RpcErrors.InvalidArgument(new BadRequest { FieldViolations = { new BadRequest.Types.FieldViolation { Field = "request", Description = text } } });
        context.Response.StatusCode = reason is BadHttpRequestException bad ? bad.StatusCode : StatusCodes.Status400BadRequest;
        context.Response.ContentType = MediaTypeNames.Application.Json;
        return context.Response.WriteAsync(ErrorFormatter.Format(error.GetRpcStatus()), Encoding.UTF8, context.RequestAborted);
    }
}
