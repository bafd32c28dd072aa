using Grpc.Core;
using Grpc.Core.Interceptors;

namespace Operations;

/// <summary>Names the service in the error of a call that it has not answered.</summary>
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
    }

    RpcException Named(RpcException error) => new(new Status(
        error.StatusCode == StatusCode.Unimplemented ? StatusCode.Unimplemented : StatusCode.Unavailable,
        $"the operations of {service} do not answer: {error.Status.Detail}"));
}
