using Google.Protobuf;
using Grpc.Core;
using Service.Defaults;

namespace Orders;

/// <summary>A RESOURCE_EXHAUSTED error, as an exception and as the headers of a gRPC response.</summary>
/// <param name="reason">The reason in the error's ErrorInfo.</param>
/// <param name="message">The error message; printable ASCII without a percent sign, so that it needs no escape.</param>
/// <param name="retryDelay">The delay after which the client retries.</param>
sealed class Rejection(string reason, string message, TimeSpan retryDelay)
{
    /// <summary>The label of metrics with the reason.</summary>
    public KeyValuePair<string, object?> Label { get; } = new("error.type", reason);

    /// <summary>The header grpc-message.</summary>
    public string Message => message;

    /// <summary>The header grpc-status.</summary>
    public static string Status { get; } = $"{(int)StatusCode.ResourceExhausted}";

    /// <summary>The header grpc-status-details-bin.</summary>
    public string Details { get; } = Convert
        .ToBase64String(RpcErrors.ResourceExhausted(reason, message, retryDelay).GetRpcStatus()!.ToByteArray())
        .TrimEnd('=');

    /// <summary>Creates the exception that gRPC turns into the same response.</summary>
    public RpcException ToException() => RpcErrors.ResourceExhausted(reason, message, retryDelay);
}
