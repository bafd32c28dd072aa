using Grpc.Core;
using Operations.V1;
using Service.Defaults;

namespace Operations;

/// <summary>The API of <c>proto/operations/v1/operations.proto</c>, which documents the methods.</summary>
sealed class OperationsGrpcService(
    ServiceClients services,
    Explainer explainer,
    DeadLetterList deadLetters,
    DeadLetterReplay replay,
    DeadLetterDiscard discard,
    QueueList queues,
    ReconciliationStore reconciliation,
    DayReport report,
    AuditTrail audit,
    AuditList auditList) : OperationsService.OperationsServiceBase
{
    public override Task<Explanation> Explain(ExplainRequest request, ServerCallContext context) =>
        explainer.ExplainAsync(request.OrderId, context.CancellationToken);

    public override async Task<ListStuckResponse> ListStuck(ListStuckRequest request, ServerCallContext context)
    {
        var orders = services.Orders.ListStuckOrdersAsync(
            new ListStuckOrdersRequest { OlderThan = request.OlderThan, MaxIds = request.MaxIds },
            cancellationToken: context.CancellationToken);
        var holds = await services.Accounts.ListStuckHoldsAsync(
            new ListStuckHoldsRequest { OlderThan = request.OlderThan, MaxIds = request.MaxIds },
            cancellationToken: context.CancellationToken);
        return new ListStuckResponse { Orders = { (await orders).Groups }, Holds = { holds.Groups } };
    }

    public override Task Redrive(RedriveRequest request, IServerStreamWriter<RedriveProgress> responseStream,
        ServerCallContext context)
    {
        var target = request switch
        {
            { OrderIds.Count: > 0 } => string.Join(", ", request.OrderIds),
            _ => $"queue {(request.Queue == "" ? "any" : request.Queue)}, older than "
                + $"{request.OlderThan?.ToTimeSpan() ?? TimeSpan.Zero}",
        };
        var action = OperatorAction.Read(request.DryRun ? "Redrive (dry run)" : nameof(Redrive), target,
            request.Operator, request.Reason);
        return audit.RunAsync(action, async changed =>
        {
            using var call = services.Orders.RedriveOrders(new RedriveOrdersRequest
            {
                OrderIds = { request.OrderIds },
                Queue = request.Queue,
                OlderThan = request.OlderThan,
                Rate = request.Rate,
                DryRun = request.DryRun,
            }, cancellationToken: context.CancellationToken);
            await foreach (var progress in call.ResponseStream.ReadAllAsync(context.CancellationToken))
            {
                changed(progress.Sent);
                await responseStream.WriteAsync(progress, context.CancellationToken);
            }
        }, context.CancellationToken);
    }

    public override Task<ListDeadLettersResponse> ListDeadLetters(ListDeadLettersRequest request,
        ServerCallContext context) => deadLetters.ReadAsync(request, context.CancellationToken);

    public override Task ReplayDeadLetters(ReplayDeadLettersRequest request,
        IServerStreamWriter<ReplayProgress> responseStream, ServerCallContext context)
    {
        var action = OperatorAction.Read(nameof(ReplayDeadLetters), TargetOf(request.GroupId, request.MessageIds),
            request.Operator, request.Reason);
        return audit.RunAsync(action, changed => replay.RunAsync(request,
            progress => responseStream.WriteAsync(progress, context.CancellationToken), changed,
            context.CancellationToken), context.CancellationToken);
    }

    public override async Task<DiscardDeadLettersResponse> DiscardDeadLetters(DiscardDeadLettersRequest request,
        ServerCallContext context)
    {
        var action = OperatorAction.Read(nameof(DiscardDeadLetters), TargetOf(request.GroupId, request.MessageIds),
            request.Operator, request.Reason);
        DiscardDeadLettersResponse? response = null;
        await audit.RunAsync(action, async changed =>
            response = await discard.RunAsync(request, changed, context.CancellationToken), context.CancellationToken);
        return response!;
    }

    static string TargetOf(string groupId, ICollection<string> messageIds) => messageIds.Count == 0
        ? $"group {groupId}" : $"group {groupId}: {string.Join(", ", messageIds)}";

    public override Task<ListBrokerQueuesResponse> ListQueues(ListBrokerQueuesRequest request,
        ServerCallContext context) => queues.ReadAsync(context.CancellationToken);

    public override Task<Queue> PauseQueue(PauseQueueRequest request, ServerCallContext context) =>
        ChangeAsync(OperatorAction.Read(nameof(PauseQueue), request.Name, request.Operator, request.Reason),
            x => x.PauseQueueAsync(request, cancellationToken: context.CancellationToken).ResponseAsync, context);

    public override Task<Queue> ResumeQueue(ResumeQueueRequest request, ServerCallContext context) =>
        ChangeAsync(OperatorAction.Read(nameof(ResumeQueue), request.Name, request.Operator, request.Reason),
            x => x.ResumeQueueAsync(request, cancellationToken: context.CancellationToken).ResponseAsync, context);

    async Task<Queue> ChangeAsync(OperatorAction action,
        Func<MessagingOperations.MessagingOperationsClient, Task<Queue>> change, ServerCallContext context)
    {
        Queue? queue = null;
        await audit.RunAsync(action, async changed =>
        {
            queue = await queues.ChangeAsync(action.Target, change, context.CancellationToken);
            changed(1);
        }, context.CancellationToken);
        return queue!;
    }

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
