using System.Net.Mime;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Service.Defaults;

/// <summary>Writes errors to HTTP/JSON clients.</summary>
static class JsonErrors
{
    /// <summary>The types of error details, for JSON.</summary>
    public static readonly TypeRegistry Types = TypeRegistry
        .FromFiles(Google.Rpc.ErrorDetailsReflection.Descriptor);

    static readonly JsonFormatter Formatter = new(JsonFormatter.Settings.Default.WithTypeRegistry(Types));

    /// <summary>Writes the google.rpc.Status of an error.</summary>
    /// <param name="context">The request; its response has not started.</param>
    /// <param name="status">The HTTP status code.</param>
    /// <param name="error">An error with details.</param>
    public static Task WriteAsync(HttpContext context, int status, RpcException error)
    {
        RpcStatus.Set(context, error.StatusCode);
        context.Response.StatusCode = status;
        context.Response.ContentType = MediaTypeNames.Application.Json;
        return context.Response.WriteAsync(Formatter.Format(error.GetRpcStatus()), Encoding.UTF8,
            context.RequestAborted);
    }
}
