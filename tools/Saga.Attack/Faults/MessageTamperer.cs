using System.Text;
using System.Text.RegularExpressions;
using Npgsql;
using RabbitMQ.Client;

namespace Saga.Attack;

/// <summary>
/// Duplicates and delays messages: it records the messages of all queues in a separate queue, and publishes them
/// again, soon or much later, under the same or a new message id, also after the inbox has been purged.
/// </summary>
sealed partial class MessageTamperer(Uri amqp, string[] databases, Random random) : IAsyncDisposable
{
    const int MaxRecorded = 20_000;
    const string RecordingQueue = "attack-tap";
    static readonly string[] Queues = ["order-state", "reserve-funds", "release-funds", "capture-funds"];

    readonly List<(string Queue, IReadOnlyBasicProperties Properties, byte[] Body)> _recorded = [];
    IConnection? _connection;

    /// <summary>The number of messages that were published again.</summary>
    public int Duplicates { get; private set; }

    /// <summary>The number of messages that were held back.</summary>
    public int HeldBack { get; private set; }

    /// <summary>Publishes recorded messages again.</summary>
    /// <param name="count">The number of messages.</param>
    /// <param name="recent">Whether to choose among the last 50 messages; otherwise among all.</param>
    /// <param name="newIds">Whether to publish them under new message ids.</param>
    public Task RepeatAsync(int count, bool recent, bool newIds) => WithChannelAsync(async channel =>
    {
        await RecordAsync(channel);
        for (var i = 0; i < count && _recorded.Count > 0; i++)
        {
            var index = recent ? Math.Max(0, _recorded.Count - 1 - random.Next(50)) : random.Next(_recorded.Count);
            var (queue, properties, body) = _recorded[index];
            var duplicate = new BasicProperties(properties);
            if (newIds)
            {
                var id = Guid.NewGuid();
                duplicate.MessageId = id.ToString();
                var envelope = MessageId().Replace(Encoding.UTF8.GetString(body), $"\"messageId\":\"{id}\"");
                body = Encoding.UTF8.GetBytes(envelope);
            }

            await channel.BasicPublishAsync(queue, "", mandatory: false, duplicate, body);
            Duplicates++;
        }
    });

    /// <summary>Purges both inboxes except for the last five seconds, and publishes old messages again.</summary>
    public async Task RepeatAfterPurgeAsync(int count)
    {
        foreach (var database in databases)
        {
            await using var connection = new NpgsqlConnection(database + ";Pooling=false");
            await connection.OpenAsync();
            await using var purge =
                new NpgsqlCommand("delete from inbox_state where consumed < now() - interval '5 seconds'", connection);
            await purge.ExecuteNonQueryAsync();
        }

        await RepeatAsync(count, recent: false, newIds: false);
    }

    /// <summary>Receives messages from the queues without an acknowledgement, and requeues them after a time.</summary>
    public Task HoldBackAsync(TimeSpan time) => WithChannelAsync(async channel =>
    {
        foreach (var queue in Queues)
            for (var i = 0; i < 5; i++)
                if (await channel.BasicGetAsync(queue, autoAck: false) != null)
                    HeldBack++;
        await Task.Delay(time); // closing the channel requeues the messages
    });

    async Task RecordAsync(IChannel channel)
    {
        await channel.QueueDeclareAsync(RecordingQueue, durable: true, exclusive: false, autoDelete: false,
            arguments: new Dictionary<string, object?> { ["x-max-length"] = 5000 });
        foreach (var queue in Queues)
            await channel.QueueBindAsync(RecordingQueue, queue, "");
        while (await channel.BasicGetAsync(RecordingQueue, autoAck: true) is { } message)
            _recorded.Add((message.Exchange, message.BasicProperties, message.Body.ToArray()));
        if (_recorded.Count > MaxRecorded)
            _recorded.RemoveRange(0, MaxRecorded / 2);
    }

    /// <summary>Creates the queue of dead letters and the recording queue, and starts to record.</summary>
    public Task StartAsync() => WithChannelAsync(async channel =>
    {
        await channel.ExchangeDeclareAsync(MessageLoss.DeadLetters, ExchangeType.Fanout, durable: true);
        await channel.QueueDeclareAsync(MessageLoss.DeadLetters, durable: true, exclusive: false, autoDelete: false);
        await channel.QueueBindAsync(MessageLoss.DeadLetters, MessageLoss.DeadLetters, "");
        await RecordAsync(channel);
    });

    /// <summary>Deletes both queues, so that the audit finds all queues empty.</summary>
    /// <returns>The number of dead letters.</returns>
    public async Task<uint> StopAsync()
    {
        var deadLetters = 0u;
        await WithChannelAsync(async channel =>
        {
            deadLetters = await channel.QueueDeleteAsync(MessageLoss.DeadLetters);
            await channel.QueueDeleteAsync(RecordingQueue);
        });
        return deadLetters;
    }

    async Task WithChannelAsync(Func<IChannel, Task> work)
    {
        if (_connection is not { IsOpen: true })
        {
            if (_connection != null)
                await _connection.DisposeAsync();
            var factory = new ConnectionFactory { Uri = amqp, AutomaticRecoveryEnabled = false };
            _connection = await factory.CreateConnectionAsync();
        }

        await using var channel = await _connection.CreateChannelAsync();
        await work(channel);
    }

    [GeneratedRegex("\"messageId\"\\s*:\\s*\"[^\"]*\"")]
    private static partial Regex MessageId();

    public async ValueTask DisposeAsync()
    {
        if (_connection != null)
            await _connection.DisposeAsync();
    }
}
