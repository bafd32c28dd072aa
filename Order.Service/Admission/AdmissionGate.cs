using Grpc.AspNetCore.Server;
using Orders.V1;

namespace Orders;

/// <summary>
/// Rejects a CreateOrder call before its request is read, because in overload there can be as many rejected calls as
/// admitted ones. <see cref="OrderGrpcService" /> still decides about the calls that pass, and about all JSON requests.
/// </summary>
sealed class AdmissionGate(RequestDelegate next, AdmissionControl admission)
{
    const string GrpcContentType = "application/grpc";

    public Task InvokeAsync(HttpContext context)
    {
        if (!IsCreateOrder(context) || admission.FindRejection() is not { } rejection)
            return next(context);

        // A gRPC "Trailers-Only" response: the call ends with its headers.
        var response = context.Response;
        response.ContentType = GrpcContentType;
        response.Headers.Append("grpc-status", Rejection.Status);
        response.Headers.Append("grpc-message", rejection.Message);
        response.Headers.Append("grpc-status-details-bin", rejection.Details);
        return Task.CompletedTask;
    }

    static bool IsCreateOrder(HttpContext context) =>
        HttpProtocol.IsHttp2(context.Request.Protocol)
        && context.Request.ContentType == GrpcContentType
        && context.GetEndpoint()?.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.Name
            == nameof(OrderService.OrderServiceBase.CreateOrder);
}
