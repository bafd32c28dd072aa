using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using static Google.Rpc.PreconditionFailure.Types;

namespace Service.Defaults;

/// <summary>Creates errors with details, as google.rpc.Status (AIP-193).</summary>
public static class RpcErrors
{
    const string Domain = "ordersaga";

    /// <summary>The request is invalid; a retry cannot succeed.</summary>
    public static RpcException InvalidArgument(BadRequest violations)
    {
        ArgumentNullException.ThrowIfNull(violations);
        var text = string.Join("; ", violations.FieldViolations.Select(x => $"{x.Field} {x.Description}"));
        return Error(Code.InvalidArgument, text, violations);
    }

    /// <inheritdoc cref="InvalidArgument(BadRequest)" />
    public static RpcException InvalidArgument(string field, string description) => InvalidArgument(new BadRequest
    {
        FieldViolations = { new BadRequest.Types.FieldViolation { Field = field, Description = description } },
    });

    /// <summary>The resource does not exist.</summary>
    public static RpcException NotFound(string type, Guid id) =>
        Error(Code.NotFound, $"{type} {id} does not exist", new ResourceInfo
        {
            ResourceType = type,
            ResourceName = id.ToString(),
        });

    /// <summary>The id is taken, or the request id was used with other content.</summary>
    public static RpcException AlreadyExists(string type, Guid id, string message) =>
        Error(Code.AlreadyExists, message, new ResourceInfo
        {
            ResourceType = type,
            ResourceName = id.ToString(),
            Description = message,
        });

    /// <summary>The state of the resource does not allow the request.</summary>
    public static RpcException FailedPrecondition(string type, string subject, string message) =>
        Error(Code.FailedPrecondition, message, new PreconditionFailure
        {
            Violations = { new Violation { Type = type, Subject = subject, Description = message } },
        });

    /// <summary>It is unknown whether the request took effect. A retry with the same request id is safe.</summary>
    public static RpcException Unavailable(string message, TimeSpan retryDelay) =>
        Error(Code.Unavailable, message, new RetryInfo { RetryDelay = Duration.FromTimeSpan(retryDelay) });

    /// <summary>The request was rejected without effect, because the service is overloaded. A retry is safe.</summary>
    public static RpcException ResourceExhausted(string message, TimeSpan retryDelay) =>
        Error(Code.ResourceExhausted, message, new RetryInfo { RetryDelay = Duration.FromTimeSpan(retryDelay) });

    /// <summary>The request had no effect, because of a conflict with another request. A retry is safe.</summary>
    public static RpcException Aborted(string message) =>
        Error(Code.Aborted, message, new ErrorInfo { Domain = Domain, Reason = "CONFLICT" });

    static RpcException Error(Code code, string message, IMessage detail) =>
        new Google.Rpc.Status { Code = (int)code, Message = message, Details = { Any.Pack(detail) } }.ToRpcException();
}
