#!/usr/bin/env bash
# A hosted service with phases (IHostedLifecycleService) beside MassTransit's test harness, and beside a generic host.
#
# Guess: the harness starts and stops the hosted services of its container as a host does: StartingAsync before all
#        StartAsync, and StoppedAsync after all StopAsync.
# Seen:  MassTransit 8.5.12: the harness calls StartAsync and StopAsync, and no other phase. What a service prepares in
#        StartingAsync is not there, and what it puts off until StoppedAsync never happens; nothing fails, so a test
#        passes that has run without it.
cd "$(dirname "$0")"
. lib/dotnet.sh
program MassTransit=8.5.12 Microsoft.Extensions.Hosting=10.0.0 << 'PROGRAM'
using Finding;
using MassTransit;
using MassTransit.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

var builder = Host.CreateApplicationBuilder();
builder.Logging.ClearProviders();
builder.Services.AddSingleton<Phases>().AddHostedService(x => x.GetRequiredService<Phases>());
builder.Services.AddMassTransit(x => x.UsingInMemory());
using (var host = builder.Build())
{
    await host.StartAsync();
    await host.StopAsync();
    Console.WriteLine($"host: {host.Services.GetRequiredService<Phases>()}");
}

await using var provider = new ServiceCollection()
    .AddSingleton<Phases>().AddHostedService(x => x.GetRequiredService<Phases>())
    .AddMassTransitTestHarness(TextWriter.Null, _ => { }).BuildServiceProvider(true);
var phases = provider.GetRequiredService<Phases>();
var harness = await provider.StartTestHarness();
await harness.Stop();
Console.WriteLine($"harness: {phases}");

namespace Finding
{
    public sealed class Phases : IHostedLifecycleService
    {
        readonly List<string> _called = [];

        public Task StartingAsync(CancellationToken cancellationToken) => Called("Starting");

        public Task StartAsync(CancellationToken cancellationToken) => Called("Start");

        public Task StartedAsync(CancellationToken cancellationToken) => Called("Started");

        public Task StoppingAsync(CancellationToken cancellationToken) => Called("Stopping");

        public Task StopAsync(CancellationToken cancellationToken) => Called("Stop");

        public Task StoppedAsync(CancellationToken cancellationToken) => Called("Stopped");

        Task Called(string phase)
        {
            _called.Add(phase);
            return Task.CompletedTask;
        }

        public override string ToString() => string.Join(", ", _called);
    }
}
PROGRAM
timeout -k 5 120 dotnet "$folder/program/Finding.dll" | expect 'host: Starting, Start, Started, Stopping, Stop, Stopped
harness: Start, Stop'
