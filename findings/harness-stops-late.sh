#!/usr/bin/env bash
# A test harness with a job consumer is disposed after its only job has completed; so is one with a plain consumer.
#
# Guess: both end within a second or two: no job runs any more, and a host with the same bus stops at once.
# Seen:  MassTransit 8.5.12: disposing the harness with the job consumer takes about 90 seconds, in which nothing
#        happens. With MassTransitHostOptions.StopTimeout of one second it takes two. A suite with a few such tests
#        spends most of its time there, and no test shows it: it is spent after the last assertion.
cd "$(dirname "$0")"
. lib/dotnet.sh
program MassTransit=8.5.12 Microsoft.Extensions.Hosting=10.0.0 << 'PROGRAM'
using System.Diagnostics;
using Finding;
using MassTransit;
using MassTransit.Contracts.JobService;
using MassTransit.Testing;
using Microsoft.Extensions.DependencyInjection;

await MeasureAsync("plain consumer", withJobs: false, stopTimeout: null);
await MeasureAsync("job consumer", withJobs: true, stopTimeout: null);
await MeasureAsync("job consumer, StopTimeout 1 s", withJobs: true, stopTimeout: TimeSpan.FromSeconds(1));

static async Task MeasureAsync(string name, bool withJobs, TimeSpan? stopTimeout)
{
    var provider = new ServiceCollection().AddMassTransitTestHarness(TextWriter.Null, x =>
    {
        if (withJobs)
        {
            x.AddConsumer<BrewConsumer>();
            x.SetJobConsumerOptions();
            x.AddJobSagaStateMachines();
            x.SetInMemorySagaRepositoryProvider();
        }
        else
            x.AddConsumer<PlainConsumer>();
        x.UsingInMemory((context, bus) =>
        {
            bus.UseDelayedMessageScheduler();
            bus.ConfigureEndpoints(context);
        });
    }).Configure<MassTransitHostOptions>(o => o.StopTimeout = stopTimeout ?? o.StopTimeout).BuildServiceProvider(true);
    await provider.StartTestHarness();
    var harness = provider.GetRequiredService<ITestHarness>();
    if (withJobs)
    {
        await harness.GetRequestClient<SubmitJob<Brew>>().GetResponse<JobSubmissionAccepted>(
            (object)new { JobId = NewId.NextGuid(), Job = new Brew() });
        await harness.Published.Any<JobCompleted<Brew>>();
    }
    else
    {
        await harness.Bus.Publish(new Plain());
        await harness.Consumed.Any<Plain>();
    }

    var disposing = Stopwatch.StartNew();
    await provider.DisposeAsync();
    var time = disposing.Elapsed.TotalSeconds > 30 ? "more than half a minute" : "seconds";
    Console.WriteLine($"{name}: disposed in {time}");
}

namespace Finding
{
    public record Brew;

    public record Plain;

    public sealed class PlainConsumer : IConsumer<Plain>
    {
        public Task Consume(ConsumeContext<Plain> context) => Task.CompletedTask;
    }

    public sealed class BrewConsumer : IJobConsumer<Brew>
    {
        public Task Run(JobContext<Brew> context) => Task.CompletedTask;
    }
}
PROGRAM
timeout -k 5 240 dotnet "$folder/program/Finding.dll" | expect 'plain consumer: disposed in seconds
job consumer: disposed in more than half a minute
job consumer, StopTimeout 1 s: disposed in seconds'
