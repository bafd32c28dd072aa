using Grpc.Core;
using Microsoft.AspNetCore.Authorization;
using Operations.V1;
using Service.Defaults;

namespace Orders;

/// <summary>
/// The methods for operators of <c>proto/operations/v1/order_operations.proto</c>, which documents them.
/// </summary>
sealed class OrderOperationsService(OrderStories stories, StuckOrders stuck, OrderRateQuery rate, Redrive redrive,
    HoldRelease release, OrderFactList facts, OrderExport export, OrderTotalsQuery totals)
    : OrderOperations.OrderOperationsBase
{
    public override Task<OrderStory> GetOrderStory(GetOrderStoryRequest request, ServerCallContext context) =>
        stories.ReadAsync(request, context.CancellationToken);

    public override Task<ListStuckOrdersResponse> ListStuckOrders(
        ListStuckOrdersRequest request, ServerCallContext context) =>
        stuck.ListAsync(request, context.CancellationToken);

    public override Task<OrderRate> GetOrderRate(GetOrderRateRequest request, ServerCallContext context) =>
        rate.ReadAsync(context.CancellationToken);

    [Authorize(Scopes.Operate)]
    public override Task RedriveOrders(RedriveOrdersRequest request,
        IServerStreamWriter<RedriveProgress> responseStream, ServerCallContext context) =>
        redrive.RunAsync(request, responseStream, context.CancellationToken);

    [Authorize(Scopes.Operate)]
    public override Task<ReleaseHoldResponse> ReleaseHold(ReleaseHoldRequest request, ServerCallContext context) =>
        release.RunAsync(request, context.CancellationToken);

    public override Task<ListOrderFactsResponse> ListOrderFacts(
        ListOrderFactsRequest request, ServerCallContext context) =>
        facts.ListAsync(request, context.CancellationToken);

    public override Task<GetOrderFactsResponse> GetOrderFacts(
        GetOrderFactsRequest request, ServerCallContext context) =>
        facts.GetAsync(request, context.CancellationToken);

    public override Task ExportOrders(
        ExportRequest request, IServerStreamWriter<OrderRecord> responseStream, ServerCallContext context) =>
        export.WriteAsync(request, responseStream, context.CancellationToken);

    public override Task<OrderTotals> GetOrderTotals(GetTotalsRequest request, ServerCallContext context) =>
        totals.ReadAsync(request, context.CancellationToken);
}
