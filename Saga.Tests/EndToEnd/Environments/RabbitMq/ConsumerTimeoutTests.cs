using Npgsql;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>The broker closes the channel of a consumer that does not acknowledge a message in time.</summary>
/// <param name="timeout">The timeout, in seconds.</param>
[TestFixture(60), Category("Long")]
public sealed class When_the_broker_has_a_consumer_timeout(int timeout) : EnvironmentFixture
{
    readonly TimeSpan _locked = TimeSpan.FromSeconds(5 * timeout);

    LocalRabbit _broker = null!;

    protected override TimeSpan ReservationTimeout => 2 * _locked;

    protected override OrderSystemOptions Options => new()
    {
        Adjust = x => new Dictionary<string, string>(x) { ["ConnectionStrings__RabbitMq"] = Broker().Amqp("/") },
    };

    // The broker checks the timeout once a minute, unless it is told otherwise.
    LocalRabbit Broker() => _broker ??= PrivateBroker.StartAsync("-rabbit channel_tick_interval 1000",
        LocalTls.Instance, $"consumer_timeout = {timeout * 1000}").Result;

    [OneTimeTearDown]
    public async Task StopBrokerAsync() => await _broker.DisposeAsync();

    [Test]
    public async Task Should_complete_all_orders_although_a_row_is_locked_for_longer()
    {
        var (locked, other) = (await OpenAccountAsync(10), await OpenAccountAsync(10_000));
        var waiting = new List<string>();
        await using (var connection = new NpgsqlConnection(
            $"{System.Servers.Postgres.Admin(System.AccountDatabase)};Pooling=false"))
        {
            await connection.OpenAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            await using var update = new NpgsqlCommand(
                $"update accounts set available = available where account_id = '{locked}'", connection);
            await update.ExecuteNonQueryAsync();

            waiting.AddRange(await PlaceOrdersAsync(10, locked));
            for (var end = DateTime.UtcNow + _locked; DateTime.UtcNow < end; await Task.Delay(100))
                await AssertConfirmedAsync(await PlaceOrderAsync(other, 1));
        }

        await AssertConfirmedAsync(waiting);
        await WaitForBalancesAsync(locked, available: 0, held: 0, captured: 10);
    }
}
