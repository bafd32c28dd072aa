using Google.Protobuf;
using Grpc.Core;
using Service.Defaults;

namespace Orders;

/// <summary>How calls are refused: as an exception, or as what gRPC makes of it.</summary>
sealed class Rejection(string message, TimeSpan retryDelay)
{
    /// <summary>The value of the header grpc-message, which has no need of an escape.</summary>
    public string Message => message;

    /// <summary>The value of the header grpc-status.</summary>
    public static string Status { get; } = $"{(int)StatusCode.ResourceExhausted}";

    /// <summary>The value of the header grpc-status-details-bin.</summary>
    public string Details { get; } =
        Convert.ToBase64String(RpcErrors.ResourceExhausted(message, retryDelay).GetRpcStatus()!.ToByteArray()).TrimEnd('=');

    public RpcException ToException() => RpcErrors.ResourceExhausted(message, retryDelay);
}
