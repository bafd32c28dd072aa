#!/usr/bin/env bash
# A policy is the documented way to give a queue with messages a time to live afterwards, for example to clear a
# backlog.
#
# Guess: within seconds of the policy, all messages of the queue have expired.
# Seen:  rabbitmq-server 3.10.8, classic queue: a message that was queued before the policy stays for good, and those
#        that came after it, and whose time is over, stay behind it. Without the older message they expire at once.
cd "$(dirname "$0")"
. lib/dotnet.sh
program RabbitMQ.Client=7.2.2 << 'PROGRAM'
using RabbitMQ.Client;

await using var connection = await new ConnectionFactory { Uri = new Uri(args[0]) }.CreateConnectionAsync();
await using var channel = await connection.CreateChannelAsync();
foreach (var queue in new[] { "with-older", "without-older" })
{
    if (args[1] == "before")
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false);
    if (args[1] == "after" || queue == "with-older")
        await channel.BasicPublishAsync("", queue, "order"u8.ToArray());
}

if (args[1] == "after")
{
    await Task.Delay(TimeSpan.FromSeconds(8)); // the time to live is a tenth of a second
    foreach (var queue in new[] { "with-older", "without-older" })
        Console.WriteLine($"{queue}: {await channel.MessageCountAsync(queue)} messages are left");
}
PROGRAM
. lib/rabbitmq.sh
run "$amqp" before
timeout 30 "$sbin/rabbitmqctl" -q set_policy expiry '.*' '{"message-ttl":100}' --apply-to queues
sleep 2
run "$amqp" after | expect 'with-older: 2 messages are left
without-older: 0 messages are left'
