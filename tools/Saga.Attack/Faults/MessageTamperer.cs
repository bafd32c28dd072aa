using Messaging.RabbitMq;
using Npgsql;
using RabbitMQ.Client;

namespace Saga.Attack;

/// <summary>
/// Duplicates and delays messages: it records the messages of all queues in a separate queue, and publishes them
/// again, soon or much later, under the same or a new message id, also after the inbox has been purged. What was sent
/// in a batch is repeated in a batch or one by one.
/// </summary>
sealed class MessageTamperer(Uri amqp, string[] databases, Random random) : IAsyncDisposable
{
    const int MaxRecorded = 20_000;
    const string RecordingQueue = "attack-tap";
    static readonly string[] Queues = [.. MessageLoss.Queues, .. MessageLoss.Queues.Select(MessageBatch.QueueOf)];

    readonly List<RecordedMessage> _recorded = [];
    IConnection? _connection;

    /// <summary>The number of messages that were published again.</summary>
    public int Duplicates { get; private set; }

    /// <summary>The number of batches that were published again, as they were or one message after the other.</summary>
    public int DuplicatedBatches { get; private set; }

    /// <summary>The number of messages that were held back.</summary>
    public int HeldBack { get; private set; }

    /// <summary>Publishes recorded messages again.</summary>
    /// <param name="count">The number of messages.</param>
    /// <param name="recent">Whether to choose among the last 50 messages; otherwise among all.</param>
    /// <param name="newIds">Whether to publish them under new message ids.</param>
    public Task RepeatAsync(int count, bool recent, bool newIds) => WithChannelAsync(async channel =>
    {
        await RecordAsync(channel);
        for (var end = Duplicates + count; Duplicates < end && _recorded.Count > 0;)
        {
            var index = recent ? Math.Max(0, _recorded.Count - 1 - random.Next(50)) : random.Next(_recorded.Count);
            var duplicate = newIds ? _recorded[index].WithNewIds() : _recorded[index];
            foreach (var x in random.Next(2) == 0 ? duplicate.TakenApart() : [duplicate])
                await channel.BasicPublishAsync(x.Exchange, "", mandatory: false, x.Properties, x.Body);
            Duplicates += duplicate.Count;
            DuplicatedBatches += duplicate.IsBatch ? 1 : 0;
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
                if (await channel.BasicGetAsync(queue, autoAck: false) is { } message)
                    HeldBack += Record(message).Count;
        await Task.Delay(time); // closing the channel requeues the messages
    });

    async Task RecordAsync(IChannel channel)
    {
        await channel.QueueDeclareAsync(RecordingQueue, durable: true, exclusive: false, autoDelete: false,
            arguments: new Dictionary<string, object?> { ["x-max-length"] = 5000 });
        foreach (var queue in Queues)
            await channel.QueueBindAsync(RecordingQueue, queue, "");
        while (await channel.BasicGetAsync(RecordingQueue, autoAck: true) is { } message)
            _recorded.Add(Record(message));
        if (_recorded.Count > MaxRecorded)
            _recorded.RemoveRange(0, MaxRecorded / 2);
    }

    static RecordedMessage Record(BasicGetResult message) =>
        new(message.Exchange, new BasicProperties(message.BasicProperties), message.Body.ToArray());

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

    public async ValueTask DisposeAsync()
    {
        if (_connection != null)
            await _connection.DisposeAsync();
    }
}
