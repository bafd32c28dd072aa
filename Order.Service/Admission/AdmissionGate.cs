using System.Buffers;
using System.Buffers.Binary;
using Google.Protobuf;
using Grpc.AspNetCore.Server;
using Orders.V1;
using Service.Defaults;

namespace Orders;

/// <summary>
/// Rejects CreateOrder calls before gRPC makes anything for them, because in overload there can be as many rejected
/// calls as admitted ones. <see cref="OrderGrpcService" /> still decides about the calls that pass: those with a
/// request id, which may have created an order already, and all JSON requests.
/// </summary>
sealed class AdmissionGate(RequestDelegate next, AdmissionControl admission, Callers callers)
{
    const string GrpcContentType = "application/grpc";
    const int HeaderSize = 5; // of a gRPC message: whether it is compressed, and its length in four bytes

    public async Task InvokeAsync(HttpContext context)
    {
        if (!IsCreateOrder(context) || admission.FindRejection(callers.Of(context).Owner) is not { } rejection
            || !await HasNoRequestIdAsync(context))
        {
            await next(context);
            return;
        }

        if (context.RequestAborted.IsCancellationRequested)
            return;
        OrderMetrics.Rejected(rejection);
        // A gRPC "Trailers-Only" response: the call ends with its headers.
        var response = context.Response;
        response.ContentType = GrpcContentType;
        response.Headers.Append("grpc-status", Rejection.Status);
        response.Headers.Append("grpc-message", rejection.Message);
        response.Headers.Append("grpc-status-details-bin", rejection.Details);
    }

    static bool IsCreateOrder(HttpContext context) =>
        HttpProtocol.IsHttp2(context.Request.Protocol)
        && context.Request.ContentType == GrpcContentType
        && context.GetEndpoint()?.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.Name
            == nameof(OrderService.OrderServiceBase.CreateOrder);

    /// <summary>
    /// Whether the request has no request id, or its client has gone. Consumes the request only if it has none.
    /// </summary>
    static async Task<bool> HasNoRequestIdAsync(HttpContext context)
    {
        if (await GrpcRequestBody.ReadToEndAsync(context) is not { Buffer: var body } read)
            return true;
        var hasNone = read.IsCompleted && HasNoRequestId(body);
        context.Request.BodyReader.AdvanceTo(hasNone ? body.End : body.Start, body.End);
        return hasNone;
    }

    static bool HasNoRequestId(ReadOnlySequence<byte> body)
    {
        if (body.Length < HeaderSize)
            return false;
        Span<byte> header = stackalloc byte[HeaderSize];
        body.Slice(0, HeaderSize).CopyTo(header);
        if (header[0] != 0 || BinaryPrimitives.ReadUInt32BigEndian(header[1..]) != body.Length - HeaderSize)
            return false;
        try
        {
            return CreateOrderRequest.Parser.ParseFrom(body.Slice(HeaderSize)).RequestId == "";
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }
    }
}
