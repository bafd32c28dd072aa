using System.Text.Json;
using Google.Rpc;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Messaging.Postgres;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>Converts the exceptions of gRPC methods to status codes that tell the client whether to retry.</summary>
public sealed partial class ErrorInterceptor(ILogger<ErrorInterceptor> log) : Interceptor
{
    /// <summary>The reason of an error that no rule expects; its cause is in the log.</summary>
    internal const string UnexpectedReason = "UNEXPECTED_FAILURE";

    /// <summary>The message of an error that no rule expects.</summary>
    internal const string UnexpectedMessage = "the request failed; see the log of the service";

    const string OutcomeUnknown = "it is unknown whether the request took effect: retry with the same request id";

    static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    /// <inheritdoc />
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request,
        ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await (IsRead(context.Method) ? LostConnection.RepeatAsync(() => continuation(request, context))
                : continuation(request, context));
        }
        catch (Exception e)
        {
            throw ToReply(e, context);
        }
    }

    /// <summary>Whether the method changes nothing: a standard method Get or List (AIP-131, AIP-132).</summary>
    static bool IsRead(string method) => method.AsSpan(method.LastIndexOf('/') + 1) is var name
        && (name.StartsWith("Get", StringComparison.Ordinal) || name.StartsWith("List", StringComparison.Ordinal));

    /// <inheritdoc />
    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(TRequest request,
        IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            await continuation(request, responseStream, context);
        }
        catch (Exception e)
        {
            throw ToReply(e, context);
        }
    }

    /// <summary>The error that the client receives: the method's own RpcException, or a converted one.</summary>
    RpcException ToReply(Exception e, ServerCallContext context)
    {
        var error = e switch
        {
            RpcException known when known.GetRpcStatus() != null => known,
            // Health checks and reflection give no details.
            RpcException known => RpcErrors.Other(known.StatusCode, UpperSnake(known.StatusCode), known.Status.Detail),
            _ => ToRpcException(e, context),
        };
        RpcStatus.Set(context.GetHttpContext(), error.StatusCode);
        AddRetryAfter(error, context);
        return error;
    }

    static string UpperSnake(StatusCode code) =>
        JsonNamingPolicy.SnakeCaseUpper.ConvertName(code.ToString());

    /// <summary>HTTP/JSON clients and proxies read the delay of <c>RetryInfo</c> from the header Retry-After.</summary>
    static void AddRetryAfter(RpcException error, ServerCallContext context)
    {
        var http = context.GetHttpContext();
        if (!GrpcErrorFilter.IsGrpc(http.Request) && !http.Response.HasStarted
            && error.GetRpcStatus()?.GetDetail<RetryInfo>() is { } retry)
            http.Response.Headers.RetryAfter = $"{Math.Ceiling(retry.RetryDelay.ToTimeSpan().TotalSeconds):F0}";
    }

    RpcException ToRpcException(Exception e, ServerCallContext context)
    {
        if (context.CancellationToken.IsCancellationRequested)
            return RpcErrors.Other(StatusCode.Cancelled, "CALL_CANCELLED", "the client cancelled the call");
        if (e is OperationCanceledException)
            return RpcErrors.Unavailable("SERVICE_STOPPING", $"the service is stopping; {OutcomeUnknown}", RetryDelay);
        if (PostgresErrors.IsConflict(e))
            return RpcErrors.Aborted("CONFLICT", "another request changed the same rows at the same time; retry");
        if (PostgresErrors.IsLockTimeout(e))
        {
            LogLocked(context.Method, e.GetBaseException().Message);
            return RpcErrors.Aborted("ROW_LOCKED", "another transaction locks the same rows for too long; retry");
        }

        if (PostgresErrors.IsUnavailable(e))
        {
            LogUnavailable(context.Method, e.GetBaseException().Message);
            return RpcErrors.Unavailable("DATABASE_UNAVAILABLE",
                $"the database cannot be reached; {OutcomeUnknown}", RetryDelay);
        }

        LogFailed(e, context.Method);
        return RpcErrors.Other(StatusCode.Internal, UnexpectedReason, UnexpectedMessage);
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "{Method} failed because the database cannot be reached; the client retries: {Reason}")]
    partial void LogUnavailable(string method, string reason);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "{Method} failed because another transaction locks its rows; the client retries: {Reason}")]
    partial void LogLocked(string method, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} failed unexpectedly; the client received INTERNAL")]
    partial void LogFailed(Exception error, string method);
}
