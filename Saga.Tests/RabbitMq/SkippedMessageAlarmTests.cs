using System.Diagnostics.Metrics;
using System.Text;
using MassTransit;
using MassTransit.Middleware;
using Messaging.RabbitMq;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using Saga.Tests.Support;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Integration")]
public sealed class When_no_consumer_handles_a_message() : MessagingFixture(grouped: true)
{
    const string Queue = "ping";

    [Test]
    public async Task Should_log_and_count_it()
    {
        var skipped = 0L;
        using var meters = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "messaging.skipped.messages")
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        meters.SetMeasurementEventCallback<long>((_, count, tags, _) =>
        {
            if (tags.Contains(new KeyValuePair<string, object?>("messaging.destination.name", Queue)))
                Interlocked.Add(ref skipped, count);
        });
        meters.Start();
        await StartReplicaAsync(configure: x => x.AddConfigureEndpointsCallback((context, _, endpoint) =>
            endpoint.ConfigureDeadLetter(pipe =>
            {
                pipe.UseFilter(context.GetRequiredService<SkippedMessageAlarm>());
                pipe.UseFilter(new DeadLetterTransportFilter());
            })));
        await using var connection = await new ConnectionFactory { Uri = new Uri(Servers.Rabbit.Amqp(Name)) }
            .CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        var properties = new BasicProperties { ContentType = "application/vnd.masstransit+json" };
        await channel.BasicPublishAsync("", Queue, mandatory: true, properties,
            Encoding.UTF8.GetBytes("""{ "messageType": ["urn:message:Nobody:Knows"], "message": {} }"""));

        await WaitUntilAsync(() => Interlocked.Read(ref skipped) == 1, "the count of skipped messages");
        await WaitUntilAsync(() => Log.Contains(LogLevel.Warning,
            $"urn:message:Nobody:Knows is not handled by any consumer of {Queue}"), "the line about it");
    }
}
