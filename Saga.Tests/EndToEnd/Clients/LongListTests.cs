using System.Diagnostics;
using Accounts.V1;
using Google.Protobuf.WellKnownTypes;
using Orders.V1;

namespace Saga.Tests.EndToEnd.Clients;

[TestFixture(50_000, Category = "Long")]
[TestFixture(2_000_000, Category = "Long")]
public sealed class When_lists_are_long(int rows) : SystemFixture
{
    /// <summary>SQL for a UUID of version 7 with the column time.</summary>
    const string OrderId = """
        encode(substring(int8send((extract(epoch from time) * 1000)::bigint) from 3)
            || decode('7000', 'hex') || substring(uuid_send(gen_random_uuid()) from 9), 'hex')::uuid
        """;

    static readonly TimeSpan MaxTime = TimeSpan.FromMilliseconds(50);

    [Test]
    public async Task Should_find_the_orders_of_every_filter_by_an_index()
    {
        // Most orders are one account's, and almost none is cancelled.
        var (account, other, cancelled) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        await ExecuteAsync(System.OrderDatabase, $"""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time)
            select {OrderId},
                case when i = 7 then 'Cancelled' else 'Rejected' end,
                case when i % 1000 = 0 then '{other}'::uuid else '{account}'::uuid end,
                '[]', 1, 'EUR', time, time
            from generate_series(1, {rows}) as i, lateral (select now() - i * interval '1 s' as time) as times
            """);
        await ExecuteAsync(System.OrderDatabase, "vacuum analyze orders");
        var early = Timestamp.FromDateTime(DateTime.UtcNow.AddYears(-1));
        var middle = Timestamp.FromDateTime(DateTime.UtcNow.AddSeconds(-rows / 2));
        var requests = new (int Count, ListOrdersRequest Request)[]
        {
            (50, new()),
            (0, new() { Status = OrderStatus.Pending }),
            (0, new() { Status = OrderStatus.Cancelling }),
            (1, new() { Status = OrderStatus.Cancelled }),
            (50, new() { Status = OrderStatus.Rejected }),
            (50, new() { AccountId = $"{account}" }),
            (50, new() { AccountId = $"{other}" }),
            (0, new() { AccountId = $"{cancelled}" }),
            (0, new() { AccountId = $"{account}", Status = OrderStatus.Pending }),
            (0, new() { AccountId = $"{account}", Status = OrderStatus.Confirmed }),
            (1, new() { AccountId = $"{account}", Status = OrderStatus.Cancelled }),
            (0, new() { AccountId = $"{other}", Status = OrderStatus.Cancelled }),
            (50, new() { AccountId = $"{account}", StartTime = middle }),
            (50, new() { EndTime = middle }),
            (0, new() { EndTime = early }),
            (0, new() { AccountId = $"{account}", EndTime = early }),
            (0, new() { Status = OrderStatus.Rejected, EndTime = early }),
            (0, new() { Status = OrderStatus.Cancelled, EndTime = middle }),
        };
        foreach (var (count, request) in requests)
            await AssertFastAsync(count, $"{request}",
                async () => (await Orders.ListOrdersAsync(request)).Orders.Count);
    }

    [Test]
    public async Task Should_find_the_reservations_of_every_filter_by_an_index()
    {
        // Most reservations are one account's, and almost none is released.
        var (account, other, none) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        await ExecuteAsync(System.AccountDatabase, $"""
            insert into reservations (order_id, account_id, amount, currency, status, create_time, update_time)
            select {OrderId}, case when i % 1000 = 0 then '{other}'::uuid else '{account}'::uuid end, 1, 'EUR',
                case when i = 7 then 'Released' else 'Rejected' end, time, time
            from generate_series(1, {rows}) as i, lateral (select now() - i * interval '1 s' as time) as times
            """);
        await ExecuteAsync(System.AccountDatabase, "vacuum analyze reservations");
        var requests = new (int Count, ListReservationsRequest Request)[]
        {
            (50, new()),
            (0, new() { Status = ReservationStatus.Held }),
            (1, new() { Status = ReservationStatus.Released }),
            (50, new() { Status = ReservationStatus.Rejected }),
            (50, new() { AccountId = $"{account}" }),
            (50, new() { AccountId = $"{other}" }),
            (0, new() { AccountId = $"{none}" }),
            (0, new() { AccountId = $"{account}", Status = ReservationStatus.Held }),
            (1, new() { AccountId = $"{account}", Status = ReservationStatus.Released }),
            (0, new() { AccountId = $"{other}", Status = ReservationStatus.Released }),
            (50, new() { AccountId = $"{other}", Status = ReservationStatus.Rejected }),
        };
        foreach (var (count, request) in requests)
            await AssertFastAsync(count, $"{request}",
                async () => (await Accounts.ListReservationsAsync(request)).Reservations.Count);
    }

    /// <summary>Asserts the number of results, and the time of the fastest of five calls.</summary>
    static async Task AssertFastAsync(int count, string request, Func<Task<int>> list)
    {
        var (fastest, listed) = (TimeSpan.MaxValue, 0);
        for (var i = 0; i < 5; i++)
        {
            var started = Stopwatch.StartNew();
            listed = await list();
            fastest = started.Elapsed < fastest ? started.Elapsed : fastest;
        }

        Assert.That(listed, Is.EqualTo(count), request);
        Assert.That(fastest, Is.LessThan(MaxTime), request);
    }
}
