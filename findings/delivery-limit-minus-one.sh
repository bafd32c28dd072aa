#!/usr/bin/env bash
# RabbitMQ 4 documents x-delivery-limit -1 as "no limit". Declared so on RabbitMQ 3, before or during an upgrade, a
# quorum queue accepts the value and drops a message the first time that a consumer returns it, or is lost with it.
#
# Guess: -1 is no limit, or an error.
# Seen:  rabbitmq-server 3.10.8: -1 works like 0. A large number works like no limit on both versions.
cd "$(dirname "$0")"
. lib/dotnet.sh
program RabbitMQ.Client=7.2.2 << 'PROGRAM'
using RabbitMQ.Client;

await using var connection = await new ConnectionFactory { Uri = new Uri(args[0]) }.CreateConnectionAsync();
foreach (var limit in new[] { -1, 1_000_000 })
{
    await using var channel = await connection.CreateChannelAsync();
    var queue = $"limit {limit}";
    await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false,
        new Dictionary<string, object?> { ["x-queue-type"] = "quorum", ["x-delivery-limit"] = limit });
    await channel.BasicPublishAsync("", queue, "order"u8.ToArray());
    var first = await GetAsync(channel, queue);
    await channel.BasicNackAsync(first!.DeliveryTag, multiple: false, requeue: true);
    var second = await GetAsync(channel, queue);
    Console.WriteLine($"limit {limit}: after one return, the message is {(second == null ? "gone" : "there")}");
}

static async Task<BasicGetResult?> GetAsync(IChannel channel, string queue)
{
    for (var i = 0; i < 30; i++, await Task.Delay(100))
        if (await channel.BasicGetAsync(queue, autoAck: false) is { } message)
            return message;
    return null;
}
PROGRAM
. lib/rabbitmq.sh
run "$amqp" | expect 'limit -1: after one return, the message is gone
limit 1000000: after one return, the message is there'
