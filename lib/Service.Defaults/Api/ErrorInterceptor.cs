using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Messaging.Postgres;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>Converts the exceptions of gRPC methods to status codes that tell the client whether to retry.</summary>
public sealed partial class ErrorInterceptor(TimeProvider time, ILogger<ErrorInterceptor> log) : Interceptor
{
    /// <summary>The reason of an error that no rule expects; its cause is in the log.</summary>
    internal const string UnexpectedReason = "UNEXPECTED_FAILURE";

    /// <summary>The message of an error that no rule expects.</summary>
    internal const string UnexpectedMessage = "the request failed; see the log of the service";

    const string OutcomeUnknown = "it is unknown whether the request took effect: retry with the same request id";

    readonly LogLimit _unavailable = new(time, LogLimit.ForConcurrentTasks), _locked = new(time), _failed = new(time);

    /// <inheritdoc />
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request,
        ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            var response = await (IsRead(context.Method)
                ? LostConnection.RepeatAsync(() => continuation(request, context)) : continuation(request, context));
            if (_unavailable.HasEnded(out var duration))
                LogAvailable(duration);
            return response;
        }
        catch (Exception e)
        {
            throw ToReply(e, request, context);
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
            throw ToReply(e, request, context);
        }
    }

    /// <summary>The error that the client receives: the method's own RpcException, or a converted one.</summary>
    RpcException ToReply(Exception e, object request, ServerCallContext context)
    {
        var error = e switch
        {
            RpcException known when known.GetRpcStatus() != null => known,
            // Health checks and reflection give no details.
            RpcException known => RpcErrors.Other(known.StatusCode, UpperSnake(known.StatusCode), known.Status.Detail),
            _ => ToRpcException(e, request, context),
        };
        var http = context.GetHttpContext();
        RpcStatus.Set(http, error.StatusCode);
        RpcErrorResponse.AddRetryAfter(http, error);
        return error;
    }

    static string UpperSnake(StatusCode code) =>
        JsonNamingPolicy.SnakeCaseUpper.ConvertName(code.ToString());

    RpcException ToRpcException(Exception e, object request, ServerCallContext context)
    {
        if (context.CancellationToken.IsCancellationRequested)
            return RpcErrors.Other(StatusCode.Cancelled, "CALL_CANCELLED", "the client cancelled the call");
        if (e is OperationCanceledException)
            return RpcErrors.Unavailable("SERVICE_STOPPING", $"the service is stopping; {OutcomeUnknown}");
        if (PostgresErrors.IsConflict(e))
            return RpcErrors.Aborted("CONFLICT", "another request changed the same rows at the same time; retry");
        if (PostgresErrors.IsLockTimeout(e))
        {
            if (_locked.IsDue(context.Method, out var locked))
                using (log.BeginScope(FieldsOf(request)))
                    LogLocked(context.Method, Reason.Of(e), locked);
            return RpcErrors.Aborted("ROW_LOCKED", "another transaction locks the same rows for too long; retry");
        }

        if (PostgresErrors.IsUnavailable(e))
        {
            if (_unavailable.IsDue((context.Method, LogLimit.KindOf(e)), out var unavailable))
                using (log.BeginScope(FieldsOf(request)))
                    LogUnavailable(context.Method, Reason.Of(e), unavailable);
            return RpcErrors.Unavailable("DATABASE_UNAVAILABLE",
                $"the database cannot be reached; {OutcomeUnknown}");
        }

        if (_failed.IsDue((context.Method, LogLimit.KindOf(e)), out var failed))
            using (log.BeginScope(FieldsOf(request)))
                LogFailed(e, context.Method, failed);
        return RpcErrors.Other(StatusCode.Internal, UnexpectedReason, UnexpectedMessage);
    }

    /// <summary>The order that a request names; its id is the client's text, so only an id is logged.</summary>
    static LogFields FieldsOf(object request) => new LogFields().Add(OrderSpanTag.OfMessages.Field,
        (request as IMessage)?.Descriptor.FindFieldByName("order_id")?.Accessor.GetValue((IMessage)request) is string id
            && Guid.TryParse(id, out var orderId) ? orderId.ToString() : null);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Calls of {Method} fail, because the database cannot be reached. Their clients receive UNAVAILABLE and retry: "
        + "{Reason}. Calls since the last such line: {Count}")]
    partial void LogUnavailable(string method, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Calls succeed again, after the database could not be reached for {Duration}")]
    partial void LogAvailable(TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Calls of {Method} fail, because another transaction locks the same row for too long. Their clients receive "
        + "ABORTED and retry. Look for the lock in pg_locks: {Reason}. Calls since the last such line: {Count}")]
    partial void LogLocked(string method, string reason, int count);

    [LoggerMessage(Level = LogLevel.Error, Message =
        "A call of {Method} failed unexpectedly, and its client received INTERNAL. This is a fault of the service. "
        + "Calls since the last such line: {Count}")]
    partial void LogFailed(Exception error, string method, int count);
}
