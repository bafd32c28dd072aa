using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Service.Defaults;

namespace Operations;

/// <summary>
/// Makes the caller the operator of a request. A caller who names somebody else acts for them, and the audit trail has
/// both.
/// </summary>
sealed class OperatorInterceptor(Callers callers) : Interceptor
{
    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request,
        ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        SetOperator(request, callers.Of(context));
        return continuation(request, context);
    }

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(TRequest request,
        IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        SetOperator(request, callers.Of(context));
        return continuation(request, responseStream, context);
    }

    static void SetOperator(object request, Caller caller)
    {
        if (caller.Subject is { } subject && request is IMessage message
            && message.Descriptor.FindFieldByName("operator") is { } field)
            field.Accessor.SetValue(message, NameOf(subject, (string)field.Accessor.GetValue(message)));
    }

    /// <summary>Names the operator.</summary>
    /// <param name="subject">The subject of the caller's token.</param>
    /// <param name="given">Whom the request names; empty if nobody.</param>
    internal static string NameOf(string subject, string given) =>
        string.IsNullOrWhiteSpace(given) || given == subject ? subject : $"{subject} for {given}";
}
