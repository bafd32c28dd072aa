using MassTransit;

namespace Saga.Tests.Support.Model;

/// <summary>A message that has no queue until a test adds <see cref="LetterConsumer" />.</summary>
public sealed record Letter(string Name);

public sealed class LetterConsumer : IConsumer<Letter>
{
    public Task Consume(ConsumeContext<Letter> context) => context.Publish(new Pong(context.Message.Name));
}
