using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using static Google.Rpc.PreconditionFailure.Types;

namespace Service.Defaults;

/// <summary>
/// Creates errors with details, as google.rpc.Status (AIP-193). Each has an <see cref="ErrorInfo" />, whose reason
/// never changes for the same error.
/// </summary>
public static class RpcErrors
{
    /// <summary>The domain of all reasons.</summary>
    public const string Domain = "ordersaga";

    static readonly TimeSpan DefaultRetryDelay = TimeSpan.FromSeconds(1);

    /// <summary>The request is invalid; a retry cannot succeed.</summary>
    /// <param name="violations">The bad fields.</param>
    /// <param name="message">Describes the violations.</param>
    /// <param name="reason">The reason, if it is not the values of the fields.</param>
    public static RpcException InvalidArgument(
        BadRequest violations, string? message = null, string reason = "INVALID_FIELD")
    {
        ArgumentNullException.ThrowIfNull(violations);
        var first = violations.FieldViolations[0];
        return Error(StatusCode.InvalidArgument, reason, message ?? $"{first.Field} {first.Description}",
            [("field", first.Field)], violations);
    }

    /// <inheritdoc cref="InvalidArgument(BadRequest, string?, string)" />
    public static RpcException InvalidArgument(string field, string description, string reason = "INVALID_FIELD") =>
        InvalidArgument(new BadRequest
        {
            FieldViolations = { new BadRequest.Types.FieldViolation { Field = field, Description = description } },
        }, null, reason);

    /// <summary>The resource does not exist.</summary>
    /// <param name="type">The kind of resource: order, account or reservation.</param>
    /// <param name="id">The requested id.</param>
    public static RpcException NotFound(string type, Guid id)
    {
        ArgumentNullException.ThrowIfNull(type);
        return Error(StatusCode.NotFound, $"{type.ToUpperInvariant()}_NOT_FOUND", $"{type} {id} does not exist",
            [(type, $"{id}")], new ResourceInfo { ResourceType = type, ResourceName = id.ToString() });
    }

    /// <summary>The id is taken, or the request id was used with other content.</summary>
    /// <param name="reason">The reason, in capital letters and underscores.</param>
    /// <param name="type">What the id belongs to: account or request.</param>
    /// <param name="id">The id.</param>
    /// <param name="message">A sentence for the client's developer.</param>
    public static RpcException AlreadyExists(string reason, string type, Guid id, string message) =>
        Error(StatusCode.AlreadyExists, reason, message, [(type, $"{id}")], new ResourceInfo
        {
            ResourceType = type,
            ResourceName = id.ToString(),
            Description = message,
        });

    /// <summary>The state of the resource does not allow the request.</summary>
    /// <param name="reason">The reason, which is also the type of the violation.</param>
    /// <param name="subject">The resource, such as <c>orders/ID</c>.</param>
    /// <param name="message">A sentence for the client's developer.</param>
    public static RpcException FailedPrecondition(string reason, string subject, string message) =>
        Error(StatusCode.FailedPrecondition, reason, message, [("resource", subject)], new PreconditionFailure
        {
            Violations = { new Violation { Type = reason, Subject = subject, Description = message } },
        });

    /// <summary>It is unknown whether the request took effect. A retry with the same request id is safe.</summary>
    public static RpcException Unavailable(string reason, string message, TimeSpan? retryDelay = null) =>
        Retryable(StatusCode.Unavailable, reason, message, retryDelay);

    /// <summary>The request was rejected without effect, because the service is overloaded. A retry is safe.</summary>
    public static RpcException ResourceExhausted(string reason, string message, TimeSpan? retryDelay = null) =>
        Retryable(StatusCode.ResourceExhausted, reason, message, retryDelay);

    /// <summary>The request had no effect, because of a conflict with another request. A retry is safe.</summary>
    public static RpcException Aborted(string reason, string message) => Error(StatusCode.Aborted, reason, message, []);

    /// <summary>Any other error.</summary>
    public static RpcException Other(StatusCode code, string reason, string message) =>
        code is StatusCode.Unavailable or StatusCode.ResourceExhausted
            ? Retryable(code, reason, message, null) : Error(code, reason, message, []);

    static RpcException Retryable(StatusCode code, string reason, string message, TimeSpan? retryDelay) =>
        Error(code, reason, message, [],
            new RetryInfo { RetryDelay = Duration.FromTimeSpan(retryDelay ?? DefaultRetryDelay) });

    static RpcException Error(StatusCode code, string reason, string message,
        IEnumerable<(string Key, string Value)> metadata, params IMessage[] details)
    {
        var info = new ErrorInfo { Domain = Domain, Reason = reason };
        foreach (var (key, value) in metadata)
            info.Metadata.Add(key, value);
        return new Google.Rpc.Status
        {
            Code = (int)code,
            Message = message,
            Details = { details.Append(info).Select(Any.Pack) },
        }.ToRpcException();
    }
}
