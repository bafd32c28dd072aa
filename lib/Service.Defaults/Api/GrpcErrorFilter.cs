using System.Text.RegularExpressions;
using Google.Protobuf;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Messaging.Postgres.Observability;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>
/// Completes the errors of gRPC calls that fail before their method runs: unreadable messages and unknown methods.
/// gRPC for .NET reports them without details, or as UNKNOWN, and logs the stack trace of each. This filter replaces
/// both: the client receives a status with details, and the log one line.
/// </summary>
sealed partial class GrpcErrorFilter(RequestDelegate next, ILogger<GrpcErrorFilter> log)
{
    /// <summary>
    /// The logs of gRPC for .NET, which repeat what this filter and <see cref="ErrorInterceptor" /> log.
    /// </summary>
    public static readonly string[] ReplacedLogs =
        ["Grpc.AspNetCore.Server.ServerCallHandler", "Grpc.AspNetCore.Grpc.JsonTranscoding.ServerCallHandler"];

    internal const string DetailsHeader = "grpc-status-details-bin";
    internal const string StatusHeader = "grpc-status";

    const int MaxPathLength = 200; // of a path that the client has invented
    const string GrpcContentType = "application/grpc";
    const string MessageHeader = "grpc-message";

    readonly LogLimit _rejected = new(), _failed = new();

    /// <summary>Whether this is a gRPC call, not an HTTP/JSON request.</summary>
    public static bool IsGrpc(HttpRequest request) =>
        request.ContentType?.StartsWith(GrpcContentType, StringComparison.OrdinalIgnoreCase) == true;

    /// <summary>The value of <see cref="DetailsHeader" />.</summary>
    public static string Encode(RpcException error) =>
        Convert.ToBase64String(error.GetRpcStatus()!.ToByteArray()).TrimEnd('=');

    public async Task InvokeAsync(HttpContext context)
    {
        DeadlineDetails.Add(context);
        await next(context);
        var response = context.Response;
        if (response.HasStarted || !IsGrpc(context.Request) || response.Headers.ContainsKey(DetailsHeader)
            || context.RequestAborted.IsCancellationRequested)
            return;
        if (FindError(context) is { } error)
            Write(response, error);
    }

    RpcException? FindError(HttpContext context)
    {
        var path = context.Request.Path.ToUriComponent();
        path = path[..Math.Min(path.Length, MaxPathLength)];
        if (context.Features.Get<IServerCallContextFeature>()?.ServerCallContext.Status is not { } status)
            return context.Response.StatusCode is StatusCodes.Status404NotFound || IsUnimplemented(context.Response)
                ? Log(path, RpcErrors.Other(StatusCode.Unimplemented, "UNKNOWN_METHOD", $"there is no method {path}"))
                : null;

        switch (status)
        {
            case { StatusCode: StatusCode.OK }:
                return null;
            case { DebugException: InvalidProtocolBufferException e }:
                return Log(path, RpcErrors.InvalidArgument("request",
                    $"is not a valid message of this method: {e.Message}", "MALFORMED_MESSAGE"));
            case { DebugException: InvalidDataException e }:
                return Log(path, RpcErrors.Other(StatusCode.Internal, "MALFORMED_MESSAGE",
                    $"the message cannot be decompressed: {e.Message}"));
            case { DebugException: { } e }:
                if (_failed.IsDue((ForLog(path), LogLimit.KindOf(e)), out var count))
                    LogFailed(e, ForLog(path), count);
                return RpcErrors.Other(StatusCode.Internal, ErrorInterceptor.UnexpectedReason,
                    ErrorInterceptor.UnexpectedMessage);
            default:
                return Log(path, RpcErrors.Other(status.StatusCode, status.StatusCode switch
                {
                    StatusCode.ResourceExhausted => "MESSAGE_TOO_LARGE",
                    StatusCode.Unimplemented => "UNSUPPORTED_COMPRESSION",
                    _ => "MALFORMED_MESSAGE",
                }, status.Detail));
        }
    }

    static bool IsUnimplemented(HttpResponse response) =>
        response.Headers[StatusHeader] == $"{(int)StatusCode.Unimplemented}";

    /// <summary>A "Trailers-Only" response: the call ends with its headers.</summary>
    public static void Write(HttpResponse response, RpcException error)
    {
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = GrpcContentType;
        response.Headers[StatusHeader] = $"{(int)error.StatusCode}";
        response.Headers[MessageHeader] = Uri.EscapeDataString(error.Status.Detail).Replace("%20", " ",
            StringComparison.Ordinal);
        response.Headers[DetailsHeader] = Encode(error);
    }

    RpcException Log(string path, RpcException error)
    {
        var method = ForLog(path);
        if (_rejected.IsDue((method, error.Status), out var count))
            LogUnreadable(method, error.StatusCode, error.Status.Detail.Replace(path, method, StringComparison.Ordinal),
                count);
        return error;
    }

    /// <summary>The path if it can be that of a method; any other may contain what is not for logs.</summary>
    static string ForLog(string path) => MethodPath().IsMatch(path) ? path : "a path that is no method";

    [GeneratedRegex(@"^/[A-Za-z_][\w.]*/[A-Za-z_]\w*\z")]
    private static partial Regex MethodPath();

    [LoggerMessage(Level = LogLevel.Information, Message = "A call of {Method} was rejected with {Status}, because its "
        + "client sent what the service cannot read: {Reason}. Such calls since the last such line: {Count}")]
    partial void LogUnreadable(string method, StatusCode status, string reason, int count);

    [LoggerMessage(Level = LogLevel.Error, Message =
        "A call of {Method} failed unexpectedly, and its client received INTERNAL. This is a fault of the service. "
        + "Calls since the last such line: {Count}")]
    partial void LogFailed(Exception error, string method, int count);
}
