using System.Text;
using System.Text.RegularExpressions;
using Npgsql;
using RabbitMQ.Client;

namespace Saga.Attack;

/// <summary>
/// Listens at every queue, and puts what it heard there again: at once or long after, under the old message id or a new
/// one, also when the inbox has forgotten it; and holds messages back.
/// </summary>
sealed partial class MessageMeddler(Uri amqp, string[] databases, Random random) : IAsyncDisposable
{
    const string Tap = "attack-tap";
    static readonly string[] Queues = ["order-state", "reserve-funds", "release-funds", "capture-funds"];

    readonly List<(string Queue, IReadOnlyBasicProperties Properties, byte[] Body)> _heard = [];
    IConnection? _connection;

    public int Duplicates { get; private set; }
    public int HeldBack { get; private set; }
    public int Heard => _heard.Count;

    /// <summary>Puts some messages again.</summary>
    /// <param name="count">How many.</param>
    /// <param name="recent">Of the last ones heard, or of all.</param>
    /// <param name="newIds">Under new message ids.</param>
    public Task RepeatAsync(int count, bool recent, bool newIds) => WithChannelAsync(async channel =>
    {
        await HearAsync(channel);
        for (var i = 0; i < count && _heard.Count > 0; i++)
        {
            var (queue, properties, body) = _heard[recent ? Math.Max(0, _heard.Count - 1 - random.Next(50)) : random.Next(_heard.Count)];
            var again = new BasicProperties(properties);
            if (newIds)
            {
                var id = Guid.NewGuid();
                again.MessageId = id.ToString();
                body = Encoding.UTF8.GetBytes(MessageId().Replace(Encoding.UTF8.GetString(body), $"\"messageId\":\"{id}\""));
            }

            await channel.BasicPublishAsync(queue, "", mandatory: false, again, body);
            Duplicates++;
        }
    });

    /// <summary>Has both inboxes forget everything, and puts old messages again.</summary>
    public async Task RepeatForgottenAsync(int count)
    {
        foreach (var database in databases)
        {
            await using var connection = new NpgsqlConnection(database + ";Pooling=false");
            await connection.OpenAsync();
            await using var forget = new NpgsqlCommand("delete from inbox_state where consumed < now() - interval '5 seconds'", connection);
            await forget.ExecuteNonQueryAsync();
        }

        await RepeatAsync(count, recent: false, newIds: false);
    }

    /// <summary>Takes messages out of the queues and gives them back only after a while.</summary>
    public Task HoldBackAsync(TimeSpan time) => WithChannelAsync(async channel =>
    {
        foreach (var queue in Queues)
            for (var i = 0; i < 5; i++)
                if (await channel.BasicGetAsync(queue, autoAck: false) != null)
                    HeldBack++;
        await Task.Delay(time); // the end of the channel gives them back
    });

    async Task HearAsync(IChannel channel)
    {
        await channel.QueueDeclareAsync(Tap, durable: true, exclusive: false, autoDelete: false,
            arguments: new Dictionary<string, object?> { ["x-max-length"] = 5000 });
        foreach (var queue in Queues)
            await channel.QueueBindAsync(Tap, queue, "");
        while (await channel.BasicGetAsync(Tap, autoAck: true) is { } message)
            _heard.Add((message.Exchange, message.BasicProperties, message.Body.ToArray()));
        if (_heard.Count > 20_000)
            _heard.RemoveRange(0, 10_000);
    }

    /// <summary>Ends the listening, so that every queue can be empty.</summary>
    public Task StopAsync() => WithChannelAsync(channel => channel.QueueDeleteAsync(Tap));

    async Task WithChannelAsync(Func<IChannel, Task> work)
    {
        if (_connection is not { IsOpen: true })
        {
            if (_connection != null)
                await _connection.DisposeAsync();
            _connection = await new ConnectionFactory { Uri = amqp, AutomaticRecoveryEnabled = false }.CreateConnectionAsync();
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
