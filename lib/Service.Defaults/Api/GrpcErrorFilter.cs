using System.Text.RegularExpressions;
using Google.Protobuf;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Messaging.Postgres.Observability;
using Microsoft.AspNetCore.Grpc.JsonTranscoding;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>
/// Completes the errors of gRPC calls that fail before their method runs: unreadable messages and unknown methods.
/// gRPC for .NET reports them without details, or as faults of the service (UNKNOWN, INTERNAL), and logs the stack
/// trace of each. This filter replaces both: the client receives a status with details, and the log one line.
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
    internal const string MessageHeader = "grpc-message";

    /// <summary>The reason of requests that cannot be read because of their headers.</summary>
    internal const string Unreadable = "UNREADABLE_REQUEST";

    const int MaxPathLength = 200; // of a path that the client has invented
    const string GrpcContentType = "application/grpc";

    readonly LogLimit _rejected = new(), _failed = new();

    /// <summary>
    /// Whether this is a gRPC call, not an HTTP/JSON request, which can have the content type of gRPC by mistake.
    /// </summary>
    public static bool IsGrpc(HttpRequest request) =>
        request.ContentType?.StartsWith(GrpcContentType, StringComparison.OrdinalIgnoreCase) == true
        && request.HttpContext.GetEndpoint()?.Metadata.GetMetadata<GrpcJsonTranscodingMetadata>() == null;

    /// <summary>The value of <see cref="DetailsHeader" />.</summary>
    public static string Encode(RpcException error) =>
        Convert.ToBase64String(error.GetRpcStatus()!.ToByteArray()).TrimEnd('=');

    public async Task InvokeAsync(HttpContext context)
    {
        DeadlineDetails.Add(context);
        await next(context);
        var response = context.Response;
        DeadlineDetails.AddTo(response);
        if (response.HasStarted || response.Headers.ContainsKey(DetailsHeader)
            || context.RequestAborted.IsCancellationRequested)
            return;
        var path = context.Request.Path.ToUriComponent();
        path = path[..Math.Min(path.Length, MaxPathLength)];
        if (IsGrpc(context.Request))
        {
            var http = response.StatusCode;
            if (FindError(context, path) is not { } error)
                return;
            Write(response, error);
            // Clients and proxies that do not know gRPC must not take this for a success.
            if (http is StatusCodes.Status405MethodNotAllowed or StatusCodes.Status415UnsupportedMediaType
                or StatusCodes.Status426UpgradeRequired)
                response.StatusCode = http;
        }
        else if (response.Headers.Remove(StatusHeader)) // gRPC has refused what is no call
        {
            response.Headers.Remove(MessageHeader);
            await JsonErrors.WriteAsync(context, response.StatusCode, Log(path, NotOfGrpc()));
        }
    }

    RpcException? FindError(HttpContext context, string path)
    {
        if (context.Features.Get<IServerCallContextFeature>()?.ServerCallContext.Status is not { } status)
            return FindErrorOfHttp(context.Response, path) is { } error ? Log(path, error) : null;

        switch (status)
        {
            case { StatusCode: StatusCode.OK }:
                return null;
            case { DebugException: InvalidProtocolBufferException e }:
                return Log(path, Malformed($"is not a valid message of this method: {e.Message}"));
            case { DebugException: InvalidDataException e }:
                return Log(path, Malformed($"cannot be decompressed: {e.Message}"));
            case { DebugException: IOException e }: // an impossible length, or the client has gone
                return Log(path, Malformed($"cannot be read: {e.Message}"));
            case { DebugException: null, StatusCode: StatusCode.Internal }:
                return Log(path, Malformed($"cannot be read: {status.Detail}"));
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

    static RpcException Malformed(string description) =>
        RpcErrors.InvalidArgument("request", description, "MALFORMED_MESSAGE");

    /// <summary>The error of a call that gRPC has refused because of its path or its headers.</summary>
    static RpcException? FindErrorOfHttp(HttpResponse response, string path) => response.StatusCode switch
    {
        StatusCodes.Status415UnsupportedMediaType => NotOfGrpc(),
        StatusCodes.Status426UpgradeRequired => RpcErrors.InvalidArgument("request", "must use HTTP/2", Unreadable),
        StatusCodes.Status405MethodNotAllowed =>
            RpcErrors.Other(StatusCode.Unimplemented, "VERB_NOT_ALLOWED", "gRPC methods are called with POST"),
        StatusCodes.Status404NotFound => UnknownMethod(path),
        _ when response.Headers[StatusHeader] == $"{(int)StatusCode.Unimplemented}" => UnknownMethod(path),
        _ => null,
    };

    static RpcException NotOfGrpc() =>
        RpcErrors.InvalidArgument("request", $"must have the content type {GrpcContentType}", Unreadable);

    static RpcException UnknownMethod(string path) =>
        RpcErrors.Other(StatusCode.Unimplemented, "UNKNOWN_METHOD", $"there is no method {path}");

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
