using MassTransit;

namespace Saga.Tests.Support.Model;

/// <summary>Published by the handlers of the tests, so that tests can observe what was sent.</summary>
public sealed record Pong(string Name);

public sealed class PongConsumer(ReceivedPongs received) : IConsumer<Pong>
{
    public Task Consume(ConsumeContext<Pong> context)
    {
        received.Add(context);
        return Task.CompletedTask;
    }
}
