using Contracts;
using MassTransit;
using RabbitMQ.Client;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture, Category("E2E")]
public sealed class When_a_migration_is_pending
{
    [Test]
    public async Task Should_not_be_ready_or_consume_until_the_database_is_migrated()
    {
        const string queue = "reserve-funds";
        await using var service = await StartedService.StartAsync("Account",
            x => x["Database__MigrateAtStartup"] = "false");
        var rabbit = (await TestServers.GetAsync()).Rabbit;
        await using var connection = await new ConnectionFactory
        {
            Uri = new Uri(rabbit.Amqp(service.VirtualHost)),
        }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false);
        var message = $$"""
            {
              "messageId": "{{Guid.NewGuid()}}", "messageType": ["{{MessageUrn.ForTypeString<ReserveFunds>()}}"],
              "message": {
                "orderId": "{{Guid.NewGuid()}}", "accountId": "{{Guid.NewGuid()}}", "amount": 1, "currency": "EUR"
              }
            }
            """;
        await channel.BasicPublishAsync("", queue, mandatory: true,
            new BasicProperties
            {
                ContentType = "application/vnd.masstransit+json",
                UserId = rabbit.User,
                Persistent = true,
            },
            System.Text.Encoding.UTF8.GetBytes(message));
        await Wait.UntilAsync(() => Task.FromResult(service.LogLines("warn").Length > 0), TimeSpan.FromSeconds(30),
            () => "the line that says what the service waits for");
        await Task.Delay(TimeSpan.FromSeconds(3)); // it stays so

        Assert.That(service.LogLines("warn"), Has.One.Contains("until these migrations are applied by --migrate"));
        Assert.That(await service.IsReadyAsync(), Is.False);
        Assert.That(await channel.MessageCountAsync(queue), Is.EqualTo(1));

        await service.Replica.MigrateAsync();
        await service.Replica.WaitUntilReadyAsync();
        await Wait.UntilAsync(async () => await channel.MessageCountAsync(queue) == 0, TimeSpan.FromSeconds(60),
            () => "the message to be consumed");
    }
}
