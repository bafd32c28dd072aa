using Grpc.AspNetCore.Server;
using Orders.V1;

namespace Orders;

/// <summary>
/// Answers a call of CreateOrder that would be refused before its request is read, valid or not, and anything is made for it: in overload there may be as
/// many of these as of others. What it lets pass is still admitted or refused by the method; so are calls as JSON.
/// </summary>
sealed class AdmissionGate(RequestDelegate next, AdmissionControl admission)
{
    const string Grpc = "application/grpc";

    public Task InvokeAsync(HttpContext context)
    {
        if (!HttpProtocol.IsHttp2(context.Request.Protocol) || context.Request.ContentType != Grpc
            || context.GetEndpoint()?.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.Name != nameof(OrderService.OrderServiceBase.CreateOrder)
            || admission.FindRejection() is not { } refusal)
            return next(context);

        // A response of headers alone, as gRPC has it for a call that ends at once ("Trailers-Only").
        var response = context.Response;
        response.ContentType = Grpc;
        response.Headers.Append("grpc-status", Rejection.Status);
        response.Headers.Append("grpc-message", refusal.Message);
        response.Headers.Append("grpc-status-details-bin", refusal.Details);
        return Task.CompletedTask;
    }
}
