using Operations.V1;

namespace Operations;

/// <summary>Deletes dead letters, except those that an order needs to end as it should.</summary>
sealed class DeadLetterDiscard(DeadLetterList list, DeadLetterQueues queues, LetterOrders orders,
    ServiceClients services)
{
    const int ParkedBatch = 1000;

    /// <summary>The method DiscardDeadLetters.</summary>
    /// <param name="request">Chooses the messages.</param>
    /// <param name="discarded">Receives how many are deleted so far.</param>
    /// <param name="cancellationToken">Ends after the current message.</param>
    public async Task<DiscardDeadLettersResponse> RunAsync(DiscardDeadLettersRequest request, Action<long> discarded,
        CancellationToken cancellationToken)
    {
        var chosen = await list.ChooseAsync(request.GroupId, request.MessageIds, 0, cancellationToken);
        var (response, discardable) = (new DiscardDeadLettersResponse(), new List<DeadLetterMessage>());
        var facts = await orders.ReadAsync(chosen, cancellationToken);
        foreach (var letter in chosen)
            if (letter.OrderIds.Select(x => DiscardRule.WhyNeeded(x, facts[x].Order, facts[x].Reservation))
                .FirstOrDefault(x => x != null) is { } reason)
                response.Kept.Add(new KeptDeadLetter { MessageId = letter.MessageId, Reason = reason });
            else
                discardable.Add(letter);

        if (discardable is [{ Cause.Kind: DeadLetterKind.Parked }, ..])
            await DiscardParkedAsync(discardable, request, Discarded, cancellationToken);
        else if (discardable.Count > 0)
            await DiscardAsync(discardable, Discarded, cancellationToken);
        return response;

        void Discarded(int count) => discarded(response.Discarded += count);
    }

    async Task DiscardParkedAsync(List<DeadLetterMessage> letters, DiscardDeadLettersRequest request,
        Action<int> discarded, CancellationToken cancellationToken)
    {
        var client = services.Messaging.Single(x => x.Service == letters[0].Cause.Service).Client;
        foreach (var batch in letters.Chunk(ParkedBatch))
            discarded((await client.DiscardParkedMessagesAsync(new ParkedMessagesRequest
            {
                PendingMessageIds = { batch.Select(x => x.PendingMessageId) },
                Operator = request.Operator,
                Reason = request.Reason,
            }, cancellationToken: cancellationToken)).Count);
    }

    Task DiscardAsync(List<DeadLetterMessage> letters, Action<int> discarded, CancellationToken cancellationToken)
    {
        var cause = letters[0].Cause;
        var left = letters.CountBy(x => x.MessageId).ToDictionary();
        return queues.VisitAsync(DeadLetterQueues.QueueOf(cause), (letter, _) =>
        {
            if (left.Count == 0)
                return Task.FromResult(VisitDecision.Stop);
            if (letter.Cause.GroupId != cause.GroupId || !left.TryGetValue(letter.MessageId, out var count))
                return Task.FromResult(VisitDecision.Keep);
            if (count == 1)
                left.Remove(letter.MessageId);
            else
                left[letter.MessageId] = count - 1;
            discarded(1);
            return Task.FromResult(VisitDecision.Remove);
        }, cancellationToken);
    }
}
