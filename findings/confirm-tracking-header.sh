#!/usr/bin/env bash
# AMQP confirms carry a delivery tag that both sides count, so tracking them needs nothing in the message.
#
# Guess: a message published with publisherConfirmationTrackingEnabled arrives as it was given.
# Seen:  RabbitMQ.Client 7.2.2 adds the header x-dotnet-pub-seq-no. It reaches every consumer, is stored with the
#        message, and a message that had no headers now has a table of them.
cd "$(dirname "$0")"
. lib/dotnet.sh
program RabbitMQ.Client=7.2.2 << 'PROGRAM'
using RabbitMQ.Client;

await using var connection = await new ConnectionFactory { Uri = new Uri(args[0]) }.CreateConnectionAsync();
foreach (var tracking in new[] { false, true })
{
    await using var channel = await connection.CreateChannelAsync(
        new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: tracking));
    var queue = await channel.QueueDeclareAsync();
    await channel.BasicPublishAsync("", queue.QueueName, "order"u8.ToArray());
    BasicGetResult? message = null;
    for (var i = 0; i < 50 && message == null; i++, await Task.Delay(100))
        message = await channel.BasicGetAsync(queue.QueueName, autoAck: true);
    var headers = message!.BasicProperties.Headers?.Keys ?? [];
    Console.WriteLine($"tracking {tracking}: headers [{string.Join(", ", headers)}]");
}
PROGRAM
. lib/rabbitmq.sh
run "$amqp" | expect 'tracking False: headers []
tracking True: headers [x-dotnet-pub-seq-no]'
