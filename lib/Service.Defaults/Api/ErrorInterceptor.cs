using Google.Rpc;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Messaging.Postgres;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>Converts the exceptions of gRPC methods to status codes that tell the client whether to retry.</summary>
public sealed partial class ErrorInterceptor(ILogger<ErrorInterceptor> log) : Interceptor
{
    const string OutcomeUnknown = "it is unknown whether the request took effect: retry with the same request id";

    static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    /// <inheritdoc />
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request,
        ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await continuation(request, context);
        }
        catch (Exception e)
        {
            throw ToReply(e, context);
        }
    }

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
        var error = e as RpcException ?? ToRpcException(e, context);
        AddRetryAfter(error, context);
        return error;
    }

    /// <summary>HTTP/JSON clients and proxies read the delay of <c>RetryInfo</c> from the header Retry-After.</summary>
    static void AddRetryAfter(RpcException error, ServerCallContext context)
    {
        var http = context.GetHttpContext();
        var isGrpc = http.Request.ContentType?.StartsWith("application/grpc", StringComparison.Ordinal) == true;
        if (!isGrpc && !http.Response.HasStarted && error.GetRpcStatus()?.GetDetail<RetryInfo>() is { } retry)
            http.Response.Headers.RetryAfter = $"{Math.Ceiling(retry.RetryDelay.ToTimeSpan().TotalSeconds):F0}";
    }

    RpcException ToRpcException(Exception e, ServerCallContext context)
    {
        if (context.CancellationToken.IsCancellationRequested)
            return new RpcException(new Grpc.Core.Status(StatusCode.Cancelled, "the client cancelled the call"));
        if (e is OperationCanceledException)
            return RpcErrors.Unavailable($"the service is stopping; {OutcomeUnknown}", RetryDelay);
        if (PostgresErrors.IsConflict(e))
            return RpcErrors.Aborted("another request changed the same rows at the same time; retry");
        if (PostgresErrors.IsLockTimeout(e))
        {
            LogLocked(context.Method, e.GetBaseException().Message);
            return RpcErrors.Aborted("another transaction locks the same rows for too long; retry");
        }

        if (PostgresErrors.IsUnavailable(e))
        {
            LogUnavailable(e, context.Method);
            return RpcErrors.Unavailable($"the database cannot be reached; {OutcomeUnknown}", RetryDelay);
        }

        LogFailed(e, context.Method);
        return new RpcException(new Grpc.Core
            .Status(StatusCode.Internal, "the request failed; see the log of the service"));
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "{Method} failed because the database cannot be reached; the client retries")]
    partial void LogUnavailable(Exception error, string method);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "{Method} failed because another transaction locks its rows; the client retries: {Reason}")]
    partial void LogLocked(string method, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} failed unexpectedly; the client received INTERNAL")]
    partial void LogFailed(Exception error, string method);
}
