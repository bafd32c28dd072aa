using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;

namespace Service.Defaults;

/// <summary>Errors as google.rpc.Status with details (AIP-193).</summary>
public static class RpcErrors
{
    const string Domain = "ordersaga";

    /// <summary>The request can never succeed as it is.</summary>
    public static RpcException InvalidArgument(BadRequest violations)
    {
        ArgumentNullException.ThrowIfNull(violations);
        var text = string.Join("; ", violations.FieldViolations.Select(v => $"{v.Field} {v.Description}"));
        return Error(Code.InvalidArgument, text, violations);
    }

    /// <summary>There is no such thing.</summary>
    public static RpcException NotFound(string type, Guid id) =>
        Error(Code.NotFound, $"there is no {type} {id}", new ResourceInfo { ResourceType = type, ResourceName = id.ToString() });

    /// <summary>The name is taken, or the request id was used with other content.</summary>
    public static RpcException AlreadyExists(string type, Guid id, string message) =>
        Error(Code.AlreadyExists, message, new ResourceInfo { ResourceType = type, ResourceName = id.ToString(), Description = message });

    /// <summary>The thing is not in a state for this.</summary>
    public static RpcException FailedPrecondition(string type, string subject, string message) =>
        Error(Code.FailedPrecondition, message, new PreconditionFailure
        {
            Violations = { new PreconditionFailure.Types.Violation { Type = type, Subject = subject, Description = message } }
        });

    /// <summary>It is not known whether anything was done; the same request, with the same request id, may succeed later.</summary>
    public static RpcException Unavailable(string message, TimeSpan retryAfter) =>
        Error(Code.Unavailable, message, new RetryInfo { RetryDelay = Duration.FromTimeSpan(retryAfter) });

    /// <summary>Nothing was done, because too much is under way; the same request may succeed later.</summary>
    public static RpcException ResourceExhausted(string message, TimeSpan retryAfter) =>
        Error(Code.ResourceExhausted, message, new RetryInfo { RetryDelay = Duration.FromTimeSpan(retryAfter) });

    /// <summary>Nothing was done, because another request was in the way.</summary>
    public static RpcException Aborted(string message) =>
        Error(Code.Aborted, message, new ErrorInfo { Domain = Domain, Reason = "CONFLICT" });

    static RpcException Error(Code code, string message, IMessage detail) =>
        new Google.Rpc.Status { Code = (int)code, Message = message, Details = { Any.Pack(detail) } }.ToRpcException();
}
