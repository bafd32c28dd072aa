using MassTransit;

namespace Saga.Tests.Support.Model;

/// <summary>Every <see cref="Pong" /> that any replica has consumed, duplicates included.</summary>
public sealed class ReceivedPongs
{
    readonly List<ConsumeContext<Pong>> _all = [];

    public void Add(ConsumeContext<Pong> pong)
    {
        lock (_all)
            _all.Add(pong);
    }

    public ConsumeContext<Pong>[] Named(string name)
    {
        lock (_all)
            return [.. _all.Where(x => x.Message.Name == name)];
    }
}
