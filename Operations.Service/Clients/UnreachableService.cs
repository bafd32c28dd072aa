using Google.Rpc;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Service.Defaults;

namespace Operations;

/// <summary>Names the service in the error of a call that it has not answered, or not admitted.</summary>
sealed class UnreachableService(string service) : Interceptor
{
    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(TRequest request,
        ClientInterceptorContext<TRequest, TResponse> context,
        AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
    {
        var options = context.Options.Deadline == null
            ? context.Options.WithDeadline(DateTime.UtcNow + Deadline) : context.Options;
        var call = continuation(request, new(context.Method, context.Host, options));
        return new AsyncUnaryCall<TResponse>(NameAsync(call.ResponseAsync), call.ResponseHeadersAsync, call.GetStatus,
            call.GetTrailers, call.Dispose);
    }

    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(TRequest request,
        ClientInterceptorContext<TRequest, TResponse> context,
        AsyncServerStreamingCallContinuation<TRequest, TResponse> continuation)
    {
        var call = continuation(request, context);
        return new AsyncServerStreamingCall<TResponse>(new NamedStream<TResponse>(this, call.ResponseStream),
            call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
    }

    async Task<TResponse> NameAsync<TResponse>(Task<TResponse> response)
    {
        try
        {
            return await response;
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded
            or StatusCode.Unimplemented)
        {
            throw Named(e);
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.PermissionDenied or StatusCode.Unauthenticated)
        {
            // Not the operator's token, which has been let in here.
            throw RpcErrors.Unavailable("SERVICE_TOKEN_REFUSED",
                $"{service} does not accept the token of Operations.Service: {e.Status.Detail}");
        }
    }

    RpcException Named(RpcException error)
    {
        var message = $"the operations of {service} do not answer: {error.Status.Detail}";
        return error.StatusCode == StatusCode.Unimplemented
            ? RpcErrors.Other(StatusCode.Unimplemented, "SERVICE_TOO_OLD", message)
            : RpcErrors.Unavailable(
                error.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason ?? "SERVICE_UNREACHABLE", message);
    }

    sealed class NamedStream<T>(UnreachableService names, IAsyncStreamReader<T> stream) : IAsyncStreamReader<T>
    {
        public T Current => stream.Current;

        public Task<bool> MoveNext(CancellationToken cancellationToken) =>
            names.NameAsync(stream.MoveNext(cancellationToken));
    }
}
