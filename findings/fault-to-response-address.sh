#!/usr/bin/env bash
# PublishFaults = false is documented to switch off the events Fault<T> of messages that have failed for good.
#
# Guess: the message is in the error queue, and there is no Fault<T>, whatever addresses the message has.
# Seen:  MassTransit 8.5.12: if the message has a response address, its Fault<T> is sent there, though it is no
#        request. A service that gives commands a response address for its answers receives their faults between them,
#        and its endpoint moves them to its _skipped queue.
cd "$(dirname "$0")"
. lib/dotnet.sh
program MassTransit=8.5.12 << 'PROGRAM'
using Finding;
using MassTransit;

var (failed, faults) = (0, 0);
var bus = Bus.Factory.CreateUsingInMemory(x =>
{
    x.ReceiveEndpoint("commands", e =>
    {
        e.PublishFaults = false;
        e.Handler<Command>(_ =>
        {
            Interlocked.Increment(ref failed);
            throw new InvalidOperationException("cannot be handled");
        });
    });
    x.ReceiveEndpoint("answers", e =>
    {
        e.ConfigureConsumeTopology = false; // receives what is sent to it, not what is published
        e.Handler<Fault<Command>>(_ => Task.FromResult(Interlocked.Increment(ref faults)));
    });
});
await bus.StartAsync(new CancellationTokenSource(TimeSpan.FromSeconds(20)).Token);
var commands = await bus.GetSendEndpoint(new Uri("queue:commands"));
foreach (var address in new[] { null, new Uri("queue:answers") })
{
    (failed, faults) = (0, 0);
    await commands.Send(new Command(), x => x.ResponseAddress = address);
    for (var i = 0; i < 100 && Volatile.Read(ref failed) == 0; i++)
        await Task.Delay(50);
    await Task.Delay(1000);
    Console.WriteLine($"response address {address?.ToString() ?? "none"}: failed {failed}, faults {faults}");
}

await bus.StopAsync();

namespace Finding
{
    public record Command;
}
PROGRAM
run 2> /dev/null | grep '^response' | expect 'response address none: failed 1, faults 0
response address queue:answers: failed 1, faults 1'
