using Messaging.RabbitMq;
using Operations.V1;
using RabbitMQ.Client;
using Service.Defaults;

namespace Operations;

/// <summary>
/// Returns dead letters to their queues. A message is first published there, with a confirmation of the broker, and
/// then removed from the dead letters. If the process ends between the two, the message exists twice; it has kept its
/// id, so the inbox of its consumer drops the second.
/// </summary>
sealed class DeadLetterReplay(DeadLetterList list, DeadLetterQueues queues, LetterOrders orders,
    ServiceClients services, Broker broker, TimeProvider time)
{
    const int ParkedBatch = 100;
    const string ReserveFunds = "Contracts:ReserveFunds";

    static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(1);

    /// <summary>A broker that blocks publishers must not block the operator.</summary>
    static readonly TimeSpan MaxConfirmTime = TimeSpan.FromSeconds(30);

    /// <summary>Others see the messages that are left between two visits.</summary>
    static readonly TimeSpan MaxVisit = TimeSpan.FromSeconds(10);

    /// <summary>Replays the messages that a request chooses, until the call is cancelled.</summary>
    /// <param name="request">Chooses the messages and the rate.</param>
    /// <param name="report">Receives the progress: at the beginning, each second, and at the end.</param>
    /// <param name="changed">Receives after each message how many are replayed.</param>
    /// <param name="cancellationToken">Ends the replay after the current message.</param>
    /// <exception cref="Grpc.Core.RpcException">
    /// INVALID_ARGUMENT: the rate is out of range. NOT_FOUND: there is no such group.
    /// </exception>
    public async Task RunAsync(ReplayDeadLettersRequest request, Func<ReplayProgress, Task> report,
        Action<long> changed, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var pace = new Pace(violations.Rate(request.Rate, "rate"), time);
        violations.ThrowIfAny();
        var chosen = await list.ChooseAsync(request.GroupId, request.MessageIds, request.Limit, cancellationToken);
        var harmless = await FindHarmlessAsync(chosen, cancellationToken);
        var progress = new ReplayProgress { Total = chosen.Count, Kept = chosen.Count - harmless.Count };
        var reported = time.GetTimestamp();
        await report(progress);
        if (harmless is [{ Cause: { Kind: DeadLetterKind.Parked } parked }, ..])
            await SendParkedAsync(parked, harmless, request, pace, Replayed, ReportAsync, cancellationToken);
        else if (harmless.Count > 0)
            await MoveAsync(harmless, pace, Replayed, ReportAsync, cancellationToken);
        progress.IsDone = true;
        await report(progress);

        void Replayed(int count) => changed(progress.Replayed += count);

        async Task ReportAsync()
        {
            if (time.GetElapsedTime(reported) < ReportInterval)
                return;
            reported = time.GetTimestamp();
            await report(progress);
        }
    }

    /// <summary>
    /// Leaves out commands that would hold funds for ever: their orders have ended, and Account has no reservation that
    /// refuses them.
    /// </summary>
    async Task<IReadOnlyList<DeadLetterMessage>> FindHarmlessAsync(IReadOnlyList<DeadLetterMessage> chosen,
        CancellationToken cancellationToken)
    {
        if (chosen.Count == 0 || chosen[0].Cause.MessageType != ReserveFunds)
            return chosen;
        var facts = await orders.ReadAsync(chosen, cancellationToken);
        return [.. chosen.Where(x => !x.OrderIds.Any(id =>
            facts[id] is { Order.State: "Rejected" or "Cancelled", Reservation: null }))];
    }

    async Task SendParkedAsync(DeadLetterCause cause, IReadOnlyList<DeadLetterMessage> chosen,
        ReplayDeadLettersRequest request, Pace pace, Action<int> replayed, Func<Task> reportAsync,
        CancellationToken cancellationToken)
    {
        var client = services.Messaging.Single(x => x.Service == cause.Service).Client;
        foreach (var batch in chosen.Chunk(ParkedBatch))
        {
            await pace.WaitAsync(cancellationToken, batch.Length);
            var response = await client.SendParkedMessagesAsync(new ParkedMessagesRequest
            {
                PendingMessageIds = { batch.Select(x => x.PendingMessageId) },
                Operator = request.Operator,
                Reason = request.Reason,
            }, cancellationToken: CancellationToken.None);
            replayed(response.Count);
            await reportAsync();
        }
    }

    async Task MoveAsync(IReadOnlyList<DeadLetterMessage> chosen, Pace pace, Action<int> replayed,
        Func<Task> reportAsync, CancellationToken cancellationToken)
    {
        var cause = chosen[0].Cause;
        // Each as often as it was chosen: one that fails again does not return to its queue a second time.
        var left = chosen.CountBy(x => x.MessageId).ToDictionary();
        int count;
        do
        {
            count = 0;
            var (began, exchange) = (time.GetTimestamp(), new CachedString(cause.Queue));
            ConfirmedChannel? channel = null;
            await queues.VisitAsync(DeadLetterQueues.QueueOf(cause), async (letter, delivery) =>
            {
                if (left.Count == 0 || time.GetElapsedTime(began) > MaxVisit)
                    return VisitDecision.Stop;
                if (letter.Cause.GroupId != cause.GroupId || !left.ContainsKey(letter.MessageId))
                    return VisitDecision.Keep;
                await reportAsync();
                await pace.WaitAsync(cancellationToken);
                channel ??= await ConfirmedChannel.OpenAsync(delivery.Connection, null, cancellationToken);
                await channel.Publish(exchange, mandatory: true,
                    DeadLetterReader.ReplayProperties(delivery.Properties, broker.UserName), delivery.Body, null,
                    CancellationToken.None).WaitAsync(MaxConfirmTime, CancellationToken.None);
                // From here to its removal nothing may fail.
                count++;
                if (--left[letter.MessageId] == 0)
                    left.Remove(letter.MessageId);
                replayed(1);
                return VisitDecision.Remove;
            }, cancellationToken);
        }
        while (left.Count > 0 && count > 0);
    }
}
