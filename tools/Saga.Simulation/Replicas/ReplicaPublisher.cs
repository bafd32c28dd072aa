namespace Saga.Simulation;

/// <summary>
/// Publishes what a replica sends, in later steps: messages that wait for the same queue leave as one batch, or alone,
/// as while nobody is known to consume batches.
/// </summary>
sealed class ReplicaPublisher(SimProcess process, World world)
{
    readonly List<(SimOutboxMessage Message, TaskCompletionSource Confirmed)> _waiting = [];

    /// <summary>Publishes a message; completes when the broker has confirmed it.</summary>
    /// <exception cref="ConnectionLostException">The message or its confirmation was lost.</exception>
    public Task Publish(SimOutboxMessage message)
    {
        var confirmed = new TaskCompletionSource();
        _waiting.Add((message, confirmed));
        if (_waiting.Count == 1)
            AddStep();
        return confirmed.Task;
    }

    void AddStep() => _ = world.Scheduler.Add(process, "publish", () => Replica.Done(PublishNext), IsReady);

    /// <summary>A publisher that is slow at times, so that messages wait together.</summary>
    bool IsReady() => !world.HasFaults || world.Random.Next(8) == 0;

    void PublishNext()
    {
        var queue = world.Broker.AddressOf(_waiting[0].Message.Content);
        var isAlone = queue == null || world.Random.Next(4) == 0;
        var next = isAlone ? _waiting[..1] : _waiting.FindAll(x => world.Broker.AddressOf(x.Message.Content) == queue);
        _waiting.RemoveAll(next.Contains);
        if (_waiting.Count > 0)
            AddStep();
        try
        {
            world.Publish(next.ConvertAll(x => x.Message));
        }
        catch (ConnectionLostException e)
        {
            next.ForEach(x => x.Confirmed.SetException(e));
            return;
        }

        next.ForEach(x => x.Confirmed.SetResult());
    }
}
