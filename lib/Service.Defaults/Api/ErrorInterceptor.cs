using Grpc.Core;
using Grpc.Core.Interceptors;
using Messaging.Postgres;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>Turns what a method throws into the status that its caller can act on.</summary>
public sealed partial class ErrorInterceptor(ILogger<ErrorInterceptor> log) : Interceptor
{
    /// <inheritdoc />
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request, ServerCallContext context,
        UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await continuation(request, context);
        }
        catch (Exception e) when (e is not RpcException)
        {
            throw Translate(e, context);
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
        catch (Exception e) when (e is not RpcException)
        {
            throw Translate(e, context);
        }
    }

    RpcException Translate(Exception e, ServerCallContext context)
    {
        if (context.CancellationToken.IsCancellationRequested)
            return new RpcException(new Status(StatusCode.Cancelled, "the caller has gone"));
        if (e is OperationCanceledException)
            return RpcErrors.Unavailable("the service is stopping; it is not known whether this was done: repeat it with the same request id", TimeSpan.FromSeconds(1));
        if (PostgresErrors.IsConflict(e))
            return RpcErrors.Aborted("another request changed the same thing at the same time; try again");
        if (PostgresErrors.IsLockTimeout(e))
        {
            LogLocked(context.Method, e.GetBaseException().Message);
            return RpcErrors.Aborted("what the request needs stays locked by another; try again");
        }

        if (PostgresErrors.IsUnavailable(e))
        {
            LogUnavailable(e, context.Method);
            return RpcErrors.Unavailable("the database cannot be reached; it is not known whether this was done: repeat it with the same request id", TimeSpan.FromSeconds(1));
        }

        LogFailed(e, context.Method);
        return new RpcException(new Status(StatusCode.Internal, "the request failed; the service's log says why"));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Method}: the database cannot be reached")]
    partial void LogUnavailable(Exception error, string method);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Method}: what it needs stays locked: {Reason}")]
    partial void LogLocked(string method, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} failed")]
    partial void LogFailed(Exception error, string method);
}
