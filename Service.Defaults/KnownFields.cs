using System.Net.Mime;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Grpc.JsonTranscoding;
using Microsoft.AspNetCore.Http;

namespace Service.Defaults;

/// <summary>
/// JSON requests with fields that there are not are refused, as protobuf has it: the transcoding passes them over, and a request id
/// whose name is mistyped would be none, so that what is tried again is done twice.
/// </summary>
public static class KnownFields
{
    internal static readonly TypeRegistry ErrorTypes = TypeRegistry.FromFiles(ErrorDetailsReflection.Descriptor);
    static readonly JsonFormatter ErrorFormatter = new(JsonFormatter.Settings.Default.WithTypeRegistry(ErrorTypes));

    /// <summary>For all methods of these endpoints whose request is the body.</summary>
    public static void RequireKnownFields(this IEndpointConventionBuilder endpoints) => endpoints.Add(endpoint =>
    {
        if (endpoint.Metadata.OfType<GrpcJsonTranscodingMetadata>().SingleOrDefault() is { HttpRule.Body: "*" } method && endpoint.RequestDelegate is { } next)
            endpoint.RequestDelegate = context => HandleAsync(context, method.MethodDescriptor.InputType, next);
    });

    static async Task HandleAsync(HttpContext context, MessageDescriptor type, RequestDelegate next)
    {
        context.Request.EnableBuffering();
        using var reader = new StreamReader(context.Request.Body, leaveOpen: true);
        var json = await reader.ReadToEndAsync(context.RequestAborted);
        context.Request.Body.Position = 0;
        try
        {
            JsonParser.Default.Parse(json, type);
        }
        catch (InvalidJsonException)
        {
            // Not JSON at all: the transcoding says so.
        }
        catch (InvalidProtocolBufferException e)
        {
            var error = RpcErrors.InvalidArgument(new BadRequest { FieldViolations = { new BadRequest.Types.FieldViolation { Field = type.Name, Description = e.Message } } });
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            context.Response.ContentType = MediaTypeNames.Application.Json;
            await context.Response.WriteAsync(ErrorFormatter.Format(error.GetRpcStatus()), context.RequestAborted);
            return;
        }

        await next(context);
    }
}
