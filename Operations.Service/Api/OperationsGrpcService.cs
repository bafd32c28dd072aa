using Grpc.Core;
using Operations.V1;

namespace Operations;

/// <summary>The API of <c>proto/operations/v1/operations.proto</c>, which documents the methods.</summary>
sealed class OperationsGrpcService(
    ServiceClients services,
    OverviewReader overview,
    Explainer explainer,
    StuckList stuck,
    DeadLetterList deadLetters,
    QueueList queues,
    OperatorActions actions,
    ReconciliationStore reconciliation,
    DayReport report,
    AuditList auditList) : OperationsService.OperationsServiceBase
{
    public override Task<Overview> GetOverview(GetOverviewRequest request, ServerCallContext context) =>
        overview.ReadAsync(context.CancellationToken);

    public override Task<Explanation> Explain(ExplainRequest request, ServerCallContext context) =>
        explainer.ExplainAsync(request.OrderId, context.CancellationToken);

    public override Task<ListStuckResponse> ListStuck(ListStuckRequest request, ServerCallContext context) =>
        stuck.ReadAsync(request, context.CancellationToken);

    public override Task Redrive(RedriveRequest request, IServerStreamWriter<RedriveProgress> responseStream,
        ServerCallContext context) => actions.RedriveAsync(request,
            x => responseStream.WriteAsync(x, context.CancellationToken), context.CancellationToken);

    public override Task<ReleaseHoldsResponse> ReleaseHolds(ReleaseHoldsRequest request, ServerCallContext context) =>
        actions.ReleaseAsync(request, context.CancellationToken);

    public override Task<ListDeadLettersResponse> ListDeadLetters(ListDeadLettersRequest request,
        ServerCallContext context) => deadLetters.ReadAsync(request, context.CancellationToken);

    public override Task ReplayDeadLetters(ReplayDeadLettersRequest request,
        IServerStreamWriter<ReplayProgress> responseStream, ServerCallContext context) => actions.ReplayAsync(request,
            x => responseStream.WriteAsync(x, context.CancellationToken), context.CancellationToken);

    public override Task<DiscardDeadLettersResponse> DiscardDeadLetters(DiscardDeadLettersRequest request,
        ServerCallContext context) => actions.DiscardAsync(request, context.CancellationToken);

    public override Task<ListBrokerQueuesResponse> ListQueues(ListBrokerQueuesRequest request,
        ServerCallContext context) => queues.ReadAsync(context.CancellationToken);

    public override Task<Queue> PauseQueue(PauseQueueRequest request, ServerCallContext context) =>
        actions.PauseAsync(request, context.CancellationToken);

    public override Task<Queue> ResumeQueue(ResumeQueueRequest request, ServerCallContext context) =>
        actions.ResumeAsync(request, context.CancellationToken);

    public override Task<Reconciliation> GetReconciliation(GetReconciliationRequest request,
        ServerCallContext context) => reconciliation.ReadAsync(request, context.CancellationToken);

    public override Task<Report> GetReport(GetReportRequest request, ServerCallContext context) =>
        report.ReadAsync(request.Day, context.CancellationToken);

    public override async Task ExportOrders(ExportRequest request, IServerStreamWriter<OrderRecord> responseStream,
        ServerCallContext context)
    {
        using var call = services.Orders.ExportOrders(request, cancellationToken: context.CancellationToken);
        await foreach (var order in call.ResponseStream.ReadAllAsync(context.CancellationToken))
            await responseStream.WriteAsync(order, context.CancellationToken);
    }

    public override async Task ExportEntries(ExportRequest request, IServerStreamWriter<EntryRecord> responseStream,
        ServerCallContext context)
    {
        using var call = services.Accounts.ExportEntries(request, cancellationToken: context.CancellationToken);
        await foreach (var entry in call.ResponseStream.ReadAllAsync(context.CancellationToken))
            await responseStream.WriteAsync(entry, context.CancellationToken);
    }

    public override Task<ListAuditResponse> ListAudit(ListAuditRequest request, ServerCallContext context) =>
        auditList.ReadAsync(request, context.CancellationToken);
}
