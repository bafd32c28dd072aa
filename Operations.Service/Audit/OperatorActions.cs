using Grpc.Core;
using Operations.V1;

namespace Operations;

/// <summary>
/// What operators may change, by the API or by the page. The audit trail has each action, also if it fails. The proto
/// file documents the requests.
/// </summary>
sealed class OperatorActions(
    ServiceClients services,
    HoldReleases holds,
    DeadLetterList letters,
    DeadLetterReplay replay,
    DeadLetterDiscard discard,
    QueueList queues,
    AuditTrail audit)
{
    /// <summary>Sends the commands again whose answers orders wait for.</summary>
    /// <param name="request">Chooses the orders.</param>
    /// <param name="report">Receives the progress each second.</param>
    /// <param name="cancellationToken">Ends the action early.</param>
    public Task RedriveAsync(RedriveRequest request, Func<RedriveProgress, Task> report,
        CancellationToken cancellationToken)
    {
        var target = request switch
        {
            { OrderIds.Count: > 0 } => string.Join(", ", request.OrderIds),
            _ => $"queue {(request.Queue == "" ? "any" : request.Queue)}, waiting for at least "
                + StoryEvents.Text(request.OlderThan?.ToTimeSpan() ?? TimeSpan.Zero),
        };
        var action = OperatorAction.Read(request.DryRun ? "Redrive (dry run)" : "Redrive", target,
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
            }, cancellationToken: cancellationToken);
            await foreach (var progress in call.ResponseStream.ReadAllAsync(cancellationToken))
            {
                changed(progress.Sent);
                await report(progress);
            }
        }, cancellationToken);
    }

    /// <summary>Releases holds without a live order.</summary>
    public async Task<ReleaseHoldsResponse> ReleaseAsync(ReleaseHoldsRequest request,
        CancellationToken cancellationToken)
    {
        var action = OperatorAction.Read("ReleaseHolds", string.Join(", ", request.OrderIds), request.Operator,
            request.Reason);
        ReleaseHoldsResponse? response = null;
        await audit.RunAsync(action, async changed =>
            response = await holds.RunAsync(request, changed, cancellationToken), cancellationToken);
        return response!;
    }

    /// <summary>Returns dead letters to their queue.</summary>
    /// <param name="request">Chooses the messages.</param>
    /// <param name="report">Receives the progress each second.</param>
    /// <param name="cancellationToken">Ends the action early.</param>
    public async Task ReplayAsync(ReplayDeadLettersRequest request, Func<ReplayProgress, Task> report,
        CancellationToken cancellationToken)
    {
        var action = OperatorAction.Read("ReplayDeadLetters",
            await TargetAsync(request.GroupId, request.MessageIds, cancellationToken), request.Operator,
            request.Reason);
        await audit.RunAsync(action, changed => replay.RunAsync(request, report, changed, cancellationToken),
            cancellationToken);
    }

    /// <summary>Deletes dead letters that no order needs.</summary>
    public async Task<DiscardDeadLettersResponse> DiscardAsync(DiscardDeadLettersRequest request,
        CancellationToken cancellationToken)
    {
        var action = OperatorAction.Read("DiscardDeadLetters",
            await TargetAsync(request.GroupId, request.MessageIds, cancellationToken), request.Operator,
            request.Reason);
        DiscardDeadLettersResponse? response = null;
        await audit.RunAsync(action, async changed =>
            response = await discard.RunAsync(request, changed, cancellationToken), cancellationToken);
        return response!;
    }

    async Task<string> TargetAsync(string groupId, ICollection<string> messageIds,
        CancellationToken cancellationToken)
    {
        var group = await letters.DescribeAsync(groupId, cancellationToken);
        return messageIds.Count == 0 ? group : $"{group}: {string.Join(", ", messageIds)}";
    }

    /// <summary>Stops the consumption of a queue.</summary>
    public Task<Queue> PauseAsync(PauseQueueRequest request, CancellationToken cancellationToken) =>
        ChangeAsync(OperatorAction.Read("PauseQueue", request.Name, request.Operator, request.Reason),
            x => x.PauseQueueAsync(request, cancellationToken: cancellationToken).ResponseAsync, cancellationToken);

    /// <summary>Ends a pause.</summary>
    public Task<Queue> ResumeAsync(ResumeQueueRequest request, CancellationToken cancellationToken) =>
        ChangeAsync(OperatorAction.Read("ResumeQueue", request.Name, request.Operator, request.Reason),
            x => x.ResumeQueueAsync(request, cancellationToken: cancellationToken).ResponseAsync, cancellationToken);

    async Task<Queue> ChangeAsync(OperatorAction action,
        Func<MessagingOperations.MessagingOperationsClient, Task<Queue>> change, CancellationToken cancellationToken)
    {
        Queue? queue = null;
        await audit.RunAsync(action, async changed =>
        {
            queue = await queues.ChangeAsync(action.Target, change, cancellationToken);
            changed(1);
        }, cancellationToken);
        return queue!;
    }
}
