using Messaging.Postgres.Database;
using Npgsql;
using Operations.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The method GetOrderRate.</summary>
sealed class OrderRateQuery(PrimaryDatabase database, DatabaseClock<OrderDbContext> time)
{
    /// <summary>Long enough to be steady at a few orders per second, and short enough to count thousands.</summary>
    static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    /// <summary>Counts the newest orders.</summary>
    public async Task<OrderRate> ReadAsync(CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand("select count(*) from orders where order_id >= $1", connection);
        command.Parameters.Add(new() { Value = OrderId.First(time.UtcNow() - Window) });
        var count = (long)(await command.ExecuteScalarAsync(cancellationToken))!;
        return new OrderRate { Created = count / Window.TotalSeconds };
    }
}
