#!/usr/bin/env bash
# A queue grows too long, and an operator limits it by a policy with overflow "reject-publish", which is for those who
# would rather refuse new messages than lose old ones.
#
# Guess: the messages that wait stay, and new ones are refused until the queue is shorter than the limit.
# Seen:  rabbitmq-server 3.10.8, classic queue: the policy drops waiting messages down to the limit at once, the oldest
#        first, as if overflow were "drop-head". Only from then on it refuses what is new.
cd "$(dirname "$0")"
. lib/dotnet.sh
program RabbitMQ.Client=7.2.2 << 'PROGRAM'
using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

await using var connection = await new ConnectionFactory { Uri = new Uri(args[0]) }.CreateConnectionAsync();
await using var channel = await connection.CreateChannelAsync(
    new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
if (args[1] == "before")
{
    await channel.QueueDeclareAsync("orders", durable: true, exclusive: false, autoDelete: false);
    for (var i = 1; i <= 10; i++)
        await channel.BasicPublishAsync("", "orders", Encoding.ASCII.GetBytes($"{i}"));
    return;
}

Console.WriteLine($"waiting: {await channel.MessageCountAsync("orders")}");
try
{
    await channel.BasicPublishAsync("", "orders", "11"u8.ToArray());
    Console.WriteLine("a new message: accepted");
}
catch (PublishException)
{
    Console.WriteLine("a new message: refused");
}

var left = new List<string>();
while (await channel.BasicGetAsync("orders", autoAck: true) is { } message)
    left.Add(Encoding.ASCII.GetString(message.Body.Span));
Console.WriteLine($"left: {string.Join(' ', left)}");
PROGRAM
. lib/rabbitmq.sh
run "$amqp" before
timeout 30 "$sbin/rabbitmqctl" -q set_policy limit '.*' '{"max-length":4,"overflow":"reject-publish"}' --apply-to queues
sleep 3
run "$amqp" after | expect 'waiting: 4
a new message: refused
left: 7 8 9 10'
